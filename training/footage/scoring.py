"""Scoring predictions on labelled real footage.

Time is counted in person-seconds: each labelled instant of a person stands for the clip's `every` seconds. A person who
was not detected, has no answer, or has the answer `other` while doing something counts as wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from training.benchmark.box_overlap import iou
from training.footage.labels import OTHER, UNSURE, Box, ClipLabels, Half, Labelled, instants, times

MIN_IOU = 0.3
"""Least IoU of two boxes of the same person; boxes drawn by hand are not tight."""
WITHIN_S = 0.25
"""An instant has the answer of the nearest predicted frame, at most this far away."""


class Prediction(NamedTuple):
    """One predicted person in one frame; `label` None without an answer yet, `score` in [0, 1]."""

    box: Box
    label: str | None
    score: float


class PredictedFrame(NamedTuple):
    """The predicted people in one frame at `time` seconds of media time. Include frames without people."""

    time: float
    people: tuple[Prediction, ...]


class Extra(NamedTuple):
    """One predicted person without a label, at one labelled instant, and the answer."""

    clip: str
    time: float
    seconds: float
    answer: str | None
    score: float


class Judged(NamedTuple):
    """One labelled instant of one person and its answer: None if the person was missed or has no answer yet."""

    clip: str
    person: int
    time: float
    seconds: float
    truth: str
    answer: str | None
    score: float
    missed: bool


@dataclass(frozen=True, slots=True)
class ClassSeconds:
    """Person-seconds of one label: total, correct, missed, and with the answer `other` or none."""

    total: float
    right: float
    missed: float
    unanswered: float

    @property
    def share(self) -> float:
        return self.right / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Selective:
    """Precision of the answers above a threshold, and their share of all person-seconds."""

    precision: float | None
    """For labelled people. None without answers."""
    coverage: float
    precision_all: float | None
    """For all predicted people: an answer in a box without a label counts as wrong."""


def judge(
    labels: ClipLabels,
    predictions: Iterable[PredictedFrame],
    half: Half,
    *,
    min_iou: float = MIN_IOU,
    within_s: float = WITHIN_S,
) -> tuple[list[Judged], list[Extra]]:
    """Return the answer for every labelled instant of one half, and the predicted people without a label.

    An instant has the answers of the nearest frame; without one, all people are missed. People are matched one-to-one
    with the greatest sum of IoU, without pairs below `min_iou`. People labelled unsure are matched and then left out.
    """
    frames = sorted(predictions, key=lambda frame: frame.time)
    frame_times = np.array([frame.time for frame in frames])
    labelled = dict(_by_time(instants(labels, half)))
    judged: list[Judged] = []
    extras: list[Extra] = []
    for time in times(labels, half):
        people = labelled.get(time, [])
        nearest = int(np.abs(frame_times - time).argmin()) if frames else -1
        near = nearest >= 0 and abs(frames[nearest].time - time) <= within_s
        shown = frames[nearest].people if near else ()
        pairs = dict(match([one.box for one in people], [one.box for one in shown], min_iou))
        taken = set(pairs.values())
        extras += [
            Extra(labels.clip, time, labels.every, one.label, one.score)
            for column, one in enumerate(shown)
            if column not in taken
        ]
        for row, one in enumerate(people):
            if one.label == UNSURE:
                continue
            got = shown[pairs[row]] if row in pairs else None
            answer, score = (got.label, got.score) if got else (None, 0.0)
            judged.append(
                Judged(labels.clip, one.person, time, labels.every, one.label, answer, score, missed=got is None)
            )
    return judged, extras


def by_class(judged: Iterable[Judged]) -> dict[str, ClassSeconds]:
    """Return the person-seconds of each true label, by name.

    Missed people, no answer and `other` are wrong, unless `other` is the label.
    """
    found: dict[str, list[Judged]] = {}
    for one in judged:
        found.setdefault(one.truth, []).append(one)
    return {
        truth: ClassSeconds(
            total=sum(one.seconds for one in ones),
            right=sum(one.seconds for one in ones if one.answer == truth),
            missed=sum(one.seconds for one in ones if one.missed),
            unanswered=sum(one.seconds for one in ones if not one.missed and one.answer in (None, OTHER)),
        )
        for truth, ones in sorted(found.items())
    }


def selective(judged: Sequence[Judged], threshold: float, extras: Sequence[Extra] = ()) -> Selective:
    """Return precision and coverage of the answers that score at least `threshold`.

    `other` is not an answer; an action for a person labelled `other`, or for one of the `extras`, is wrong.
    """

    def counts(one: Judged | Extra) -> bool:
        return one.answer not in (None, OTHER) and one.score >= threshold

    answered = [one for one in judged if counts(one)]
    total = sum(one.seconds for one in judged)
    answered_s = sum(one.seconds for one in answered)
    extra_s = sum(one.seconds for one in extras if counts(one))
    right = sum(one.seconds for one in answered if one.answer == one.truth)
    return Selective(
        precision=right / answered_s if answered_s else None,
        coverage=answered_s / total if total else 0.0,
        precision_all=right / (answered_s + extra_s) if answered_s + extra_s else None,
    )


def match(first: Sequence[Box], second: Sequence[Box], min_iou: float = MIN_IOU) -> list[tuple[int, int]]:
    """Return one-to-one pairs of rows (first, second) with the greatest sum of IoU, without pairs below `min_iou`."""
    if not first or not second:
        return []
    overlap = iou(np.array(first, np.float64), np.array(second, np.float64))
    # Pairs below `min_iou` weigh nothing, so that they never displace a valid pair.
    rows, columns = linear_sum_assignment(np.where(overlap >= min_iou, overlap, 0.0), maximize=True)
    found = zip(rows.tolist(), columns.tolist())
    return [(row, column) for row, column in found if overlap[row, column] >= min_iou]


def _by_time(people: Iterable[Labelled]) -> list[tuple[float, list[Labelled]]]:
    found: dict[float, list[Labelled]] = {}
    for one in people:
        found.setdefault(one.time, []).append(one)
    return list(found.items())
