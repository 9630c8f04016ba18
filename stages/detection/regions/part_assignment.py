"""Assignment of detected part boxes to people, on the host.

The value of a pair is the share of the part's box that lies within the person's box, times the part's score. Each
person gets at most one box of each part and each box goes to at most one person, so that the sum of values over the
people of a picture is greatest. See docs/method.md, "Detection".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from stages.detection.detections import PartBoxes

MIN_CONTAINED = 0.5
"""Least share of a part's box within the person's. In rendered pictures of two to four people, 99.7 % of the true part
boxes are assigned to the right person, and 92 % of those that lie within two people. Preferring the person whose centre
is nearer did not improve this."""


def assign_parts(
    people: NDArray[np.float32], boxes: NDArray[np.float32], scores: NDArray[np.float32], min_score: float = 0.0
) -> PartBoxes:
    """Return the parts of N people of one picture, in the order of the part classes.

    people float32 `[N, 4]`; boxes float32 `[P, K, 4]` and scores float32 `[P, K]`: K boxes found of each of P parts,
    score 0 for none. Boxes that score less than `min_score` are not assigned. A part without a box is absent.
    """
    count, (parts, found) = len(people), scores.shape
    chosen = np.full((count, parts), -1, np.int64)
    if count and found:
        usable = (scores > 0) & (scores >= min_score)
        values = _pair_values(people, boxes, np.where(usable, scores, np.float32(0)))  # [P, N, K]
        best = values.argmax(-1)
        has_candidate = values.max(-1) > 0
        for part in np.flatnonzero(has_candidate.any(-1)):
            chosen[:, part] = _one_to_one(values[part], best[part], has_candidate[part])
    present = chosen >= 0
    rows = np.arange(parts), np.maximum(chosen, 0)
    if not present.any():
        return PartBoxes(np.zeros((count, parts, 4), np.float32), np.zeros((count, parts), np.float32), present)
    return PartBoxes(
        np.where(present[..., None], boxes[rows], np.float32(0)),
        np.where(present, scores[rows], np.float32(0)),
        present,
    )


def _pair_values(people: NDArray[np.float32], boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray:
    """Return the share of each box within each person, times the box's score: float64 `[P, N, K]`, 0 for no match.

    In float64, so that rounding does not decide which assignment is best.
    """
    person, box = people.astype(np.float64)[:, None], boxes.astype(np.float64)[:, None]
    sides = np.minimum(person[..., 2:], box[..., 2:]) - np.maximum(person[..., :2], box[..., :2])
    area = (box[..., 2:] - box[..., :2]).prod(-1)
    contained = np.maximum(sides, 0).prod(-1) / np.where(area > 0, area, 1)
    return np.where(contained >= MIN_CONTAINED, contained * scores[:, None], 0.0)


def _one_to_one(values: NDArray, best: NDArray[np.int64], has_candidate: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each person's box for one part, −1 for none.

    values `[N, K]`; best `[N]`: each person's box of greatest value; has_candidate `[N]`: whether that is above 0.
    """
    chosen = np.where(has_candidate, best, -1)
    wanted = best[has_candidate]
    if len(np.unique(wanted)) == len(wanted):
        return chosen  # All boxes differ, so this is the best assignment.
    chosen[:] = -1
    rows, columns = linear_sum_assignment(values, maximize=True)
    valid = values[rows, columns] > 0
    chosen[rows[valid]] = columns[valid]
    return chosen
