"""Part assignment: whose head, arm or foot each part box is. Pure, owns nothing; on the host, beside the tracker.

A part belongs to the person that contains it best: the share of its box that lies within the person's, times its score.
Of each part a person has one and a box goes to one person, so that the sum over the people of a picture is the
greatest. METHOD section 2.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from stages.detection.detections import PartBoxes

LEAST_CONTAINED = 0.5
"""A part of which less lies within a person isn't theirs. In drawn pictures of two to four people, 99.7 % of the true
part boxes go to their true owner's box, 92 % of those that two people contain. Preferring the person whose middle is
nearer made it no better."""


def assign_parts(
    people: NDArray[np.float32], boxes: NDArray[np.float32], scores: NDArray[np.float32], least_score: float = 0.0
) -> PartBoxes:
    """The parts of N people of one picture, in the order of the part classes; absent where no box is left for them.

    people float32 `[N, 4]`; boxes float32 `[P, K, 4]` and scores float32 `[P, K]`: K boxes found of each of P parts,
    score 0 for none. A box that scores less than `least_score` is nobody's.
    """
    count, (parts, found) = len(people), scores.shape
    chosen = np.full((count, parts), -1, np.int64)
    if count and found:
        usable = (scores > 0) & (scores >= least_score)
        worth = _worth(people, boxes, np.where(usable, scores, np.float32(0)))  # [P, N, K]
        best = worth.argmax(-1)
        likes = worth.max(-1) > 0
        for part in np.flatnonzero(likes.any(-1)):
            chosen[:, part] = _one_to_one(worth[part], best[part], likes[part])
    present = chosen >= 0
    rows = np.arange(parts), np.maximum(chosen, 0)
    if not present.any():
        return PartBoxes(np.zeros((count, parts, 4), np.float32), np.zeros((count, parts), np.float32), present)
    return PartBoxes(
        np.where(present[..., None], boxes[rows], np.float32(0)),
        np.where(present, scores[rows], np.float32(0)),
        present,
    )


def _worth(people: NDArray[np.float32], boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray:
    """Share of each box within each person, times the box's score: float64 `[P, N, K]`, 0 where they don't go together.

    In float64, so that which assignment is best doesn't hang on how a sum is rounded.
    """
    person, box = people.astype(np.float64)[:, None], boxes.astype(np.float64)[:, None]
    sides = np.minimum(person[..., 2:], box[..., 2:]) - np.maximum(person[..., :2], box[..., :2])
    area = (box[..., 2:] - box[..., :2]).prod(-1)
    contained = np.maximum(sides, 0).prod(-1) / np.where(area > 0, area, 1)
    return np.where(contained >= LEAST_CONTAINED, contained * scores[:, None], 0.0)


def _one_to_one(worth: NDArray, best: NDArray[np.int64], likes: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Each person's box for one part, −1 for none: worth `[N, K]`, best `[N]` each person's greatest, likes `[N]`
    whether it is above 0.
    """
    chosen = np.where(likes, best, -1)
    wanted = best[likes]
    if len(np.unique(wanted)) == len(wanted):
        return chosen  # No two want the same: nothing can be better.
    chosen[:] = -1
    rows, columns = linear_sum_assignment(worth, maximize=True)
    real = worth[rows, columns] > 0
    chosen[rows[real]] = columns[real]
    return chosen
