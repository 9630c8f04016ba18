"""Part State Correctness (PSC) and its area: the metric of the Kinetics-TPS benchmark, bit for bit as the official one.

docs/evaluation.md explains the metric. Everything is computed on columns, but sums have the official order and numbers
the official precision: float32 for people's boxes and their IoU, float64 for parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from training.benchmark.measures import inclusive_iou
from training.benchmark.submission import Flags, Floats, GroundTruth, Integers, Prediction

PERSON_IOU = 0.5
"""A predicted person matches a true one above this IoU."""
PART_IOU = 0.3
"""A predicted part matches a true one from this IoU on."""
THRESHOLD_STEPS = 10_000
"""The area's thresholds on PSC are 1/10000 … 9999/10000."""


@dataclass(frozen=True, slots=True, eq=False)
class Correctness:
    """The metric of V videos, and the result for each of the ground truth's N people and M parts."""

    psc: Floats
    """[V]: Part State Correctness, 0 to 1."""
    right: Flags
    """[V]: the video's class is correct."""
    area: float
    """The score, 0 to 0.9999."""
    frame_counted: Flags
    """[F]: the frame is scored."""
    person_match: Integers
    """[N]: the matching predicted person, -1 without one."""
    part_located: Flags
    """[M]: a proposal for the matched person's part matches the true box."""
    part_right: Flags
    """[M]: … and has its verb."""
    part_score: Floats
    """[M]: 1 / number of proposed verbs if `part_right`, else 0."""


def evaluate(truth: GroundTruth, prediction: Prediction) -> Correctness:
    """Return the PSC of each video and the area over all videos."""
    true, guess = truth.people, prediction.people
    frames, videos = len(truth.frame_names), len(truth.videos)
    match = match_people(truth, prediction)
    located, right, score = _score_parts(truth, prediction, match)
    # bincount adds one by one, in order, which keeps the official evaluator's rounding: parts to people to frames to
    # videos. reduceat and sum add in pairs.
    person_score = np.bincount(true.part_person, weights=score, minlength=len(true.person_frame))
    frame_score = np.bincount(true.person_frame, weights=person_score, minlength=frames)
    frame_parts = np.bincount(true.person_frame[true.part_person], minlength=frames)
    people = np.bincount(true.person_frame, minlength=frames)
    counted = (people > 0) & ~(guess.present & (frame_parts == 0))
    frame_mean = frame_score / np.maximum(frame_parts, 1)
    total = np.bincount(truth.frame_video, weights=np.where(counted, frame_mean, 0.0), minlength=videos)
    number = np.bincount(truth.frame_video[counted], minlength=videos)
    psc = np.where(number > 0, total / np.maximum(number, 1), 1.0)
    right_class = np.array([a == b for a, b in zip(truth.actions, prediction.actions)], dtype=bool)
    return Correctness(
        psc=psc,
        right=right_class,
        area=area(psc, right_class),
        frame_counted=counted,
        person_match=match,
        part_located=located,
        part_right=right,
        part_score=score,
    )


def accuracy_at(psc: Floats, right: Flags, thresholds: Floats) -> Floats:
    """Return for each threshold the share of the [V] videos with the correct class and at least that PSC."""
    ordered = np.sort(psc[right])
    return (len(ordered) - np.searchsorted(ordered, thresholds, side="left")) / len(psc)


def area(psc: Floats, right: Flags) -> float:
    """Return the area under accuracy against PSC threshold, summed from the lowest threshold to the highest."""
    thresholds = np.arange(1, THRESHOLD_STEPS) / THRESHOLD_STEPS
    # cumsum adds one by one, as the official evaluator does; sum would add in pairs.
    return float(np.cumsum((1.0 / THRESHOLD_STEPS) * accuracy_at(psc, right, thresholds))[-1])


def match_people(truth: GroundTruth, prediction: Prediction) -> Integers:
    """Return the predicted person for each of the N true people, -1 without one.

    Each frame has the best one-to-one assignment, of which the pairs above `PERSON_IOU` count.
    """
    true, guess = truth.people, prediction.people
    frames = len(truth.frame_names)
    match = np.full(len(true.person_frame), -1, dtype=np.int64)
    rows, columns = (np.bincount(people.person_frame, minlength=frames) for people in (true, guess))
    first_row, first_column = np.cumsum(rows) - rows, np.cumsum(columns) - columns
    true_box, guess_box = true.person_box.astype(np.float32), guess.person_box.astype(np.float32)
    both = np.flatnonzero((rows > 0) & (columns > 0))
    # Frames of one shape at a time: their IoU matrices [K, n, m] are one array.
    shapes, shape = np.unique(np.stack([rows[both], columns[both]], axis=1), axis=0, return_inverse=True)
    for number, (n, m) in enumerate(shapes.tolist()):
        group = both[shape.ravel() == number]
        row = first_row[group, None] + np.arange(n)
        column = first_column[group, None] + np.arange(m)
        iou = inclusive_iou(true_box[row][:, :, None], guess_box[column][:, None, :])
        for index in np.flatnonzero((iou > PERSON_IOU).any(axis=(1, 2))).tolist():
            taken, by = assign(iou[index])
            sure = iou[index][taken, by] > PERSON_IOU
            match[row[index][taken[sure]]] = column[index][by[sure]]
    return match


def assign(iou: NDArray[np.float32]) -> tuple[Integers, Integers]:
    """Return rows and columns of the assignment with the greatest total IoU, without dummies. `iou`: [n, m].

    Dummies with IoU 0 make the matrix square, so that boxes without overlap (IoU -1) are paired only if necessary. The
    solver breaks ties by the order and last bits of the costs: a square matrix stays float32, a padded one is float64.
    """
    n, m = iou.shape
    if n != m:
        square = np.zeros((max(n, m), max(n, m)))
        square[:n, :m] = iou
    else:
        square = iou
    rows, columns = linear_sum_assignment(1 - square)
    real = (rows < n) & (columns < m)
    return rows[real], columns[real]


def _score_parts(truth: GroundTruth, prediction: Prediction, match: Integers) -> tuple[Flags, Flags, Floats]:
    """Return (located, right, score) of each of the M true parts."""
    true, guess = truth.people, prediction.people
    located = np.zeros(len(true.part_name), dtype=bool)
    right = np.zeros(len(true.part_name), dtype=bool)
    score = np.zeros(len(true.part_name))
    if not len(true.part_name) or not len(guess.part_name):
        return located, right, score
    person = match[true.part_person]
    # A person has a part once, so (person, part) identifies it.
    names = len(truth.part_names)
    known = guess.part_person * names + guess.part_name
    order = np.argsort(known)
    wanted = person * names + true.part_name
    slot = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    candidate = order[slot]
    part = np.flatnonzero((person >= 0) & (known[candidate] == wanted))
    candidate = candidate[part]
    # Every proposal for those parts: P' rows of (true part, proposal).
    proposals = np.bincount(guess.proposal_part, minlength=len(guess.part_name))
    first = np.cumsum(proposals) - proposals
    many = proposals[candidate]
    owner = np.repeat(part, many)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(many) - many, many)
    proposal = np.repeat(first[candidate], many) + step
    # A true part has exactly one proposal, in its own row.
    over = inclusive_iou(true.proposal_box[owner], guess.proposal_box[proposal]) >= PART_IOU
    same = true.proposal_verb[owner] == guess.proposal_verb[proposal]
    located[owner[over]] = True
    right[owner[over & same]] = True
    verbs = guess.part_verbs[candidate]
    score[part] = np.where(right[part], 1.0 / np.maximum(verbs, 1), 0.0)
    return located, right, score
