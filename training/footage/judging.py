"""Answers judged against labels, with intervals: correct shares by action, their macro average, and precision by score.

A labelled instant of a person counts for the seconds that it stands for, a frame of a film or a step of a sequence for
one. A person who was not detected, has no answer, or has the answer `other` while doing something counts as wrong.
Intervals are 95 % confidence intervals: exact ones of counts, and a bootstrap over clips or people for macro averages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import linear_sum_assignment

from training.benchmark.measures import iou
from training.footage.labels import OTHER, Box

LEVEL = 0.95
DRAWS = 2000
"""Resamples of a bootstrap; the ends of an interval then repeat to about half a point."""
_SEED = 16


class Interval(NamedTuple):
    """Both ends of a confidence interval."""

    low: float
    high: float


def clopper_pearson(found: int, of: int) -> Interval | None:
    """Return the exact interval of a share, `found` of `of`; None without trials."""
    if not of:
        return None
    tail = (1 - LEVEL) / 2
    low = 0.0 if found == 0 else float(special.betaincinv(found, of - found + 1, tail))
    high = 1.0 if found == of else float(special.betaincinv(found + 1, of - found, 1 - tail))
    return Interval(low, high)


def poisson_count(count: int) -> Interval:
    """Return the exact interval of the mean of a Poisson distribution of which `count` was observed."""
    tail = (1 - LEVEL) / 2
    low = 0.0 if count == 0 else float(special.gammaincinv(count, tail))
    return Interval(low, float(special.gammaincinv(count + 1, 1 - tail)))


def macro(right: NDArray[np.number], of: NDArray[np.number]) -> float | None:
    """Return the mean share of the classes that occur; `right` and `of` are [classes]. None if none occurs."""
    known = of > 0
    return float((right[known] / of[known]).mean()) if known.any() else None


def bootstrap_macro(right: NDArray[np.number], of: NDArray[np.number], draws: int = DRAWS) -> Interval | None:
    """Return the interval of `macro` over resampled units; `right` and `of` are counts [units, classes].

    Units are clips or people and are drawn with replacement, always in the same way. A class that a resample lacks
    keeps its share of all units, so that a class of one unit has no spread. None with fewer than two units that have a
    count.
    """
    counted, known = of.sum(1) > 0, of.sum(0) > 0
    right, of = right[counted][:, known], of[counted][:, known]
    units = len(of)
    if units < 2:
        return None
    rng = np.random.default_rng(_SEED)
    weights = rng.multinomial(units, np.full(units, 1 / units), size=draws).astype(np.float64)
    total = weights @ of
    overall = np.broadcast_to(right.sum(0) / of.sum(0), total.shape).copy()
    means = np.divide(weights @ right, total, out=overall, where=total > 0).mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def bootstrap_share(part: NDArray[np.number], of: NDArray[np.number], draws: int = DRAWS) -> Interval | None:
    """Return the interval of a share over resampled units: sum of `part` [units] by sum of `of` [units].

    None with fewer than two units that have a count.
    """
    counted = of > 0
    part, of = part[counted], of[counted]
    units = len(of)
    if units < 2:
        return None
    weights = np.random.default_rng(_SEED).multinomial(units, np.full(units, 1 / units), size=draws)
    low, high = np.quantile((weights @ part) / (weights @ of), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


MIN_IOU = 0.3
"""Least IoU of two boxes of the same person; boxes drawn by hand are not tight."""
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MISSED, UNANSWERED = "(missed)", "(no answer)"


class Judged(NamedTuple):
    """One labelled instant, frame or step of a person and its answer: None if the person was missed or has none yet.

    `unit` is what a bootstrap resamples: a film, or the person of a clip or sequence.
    """

    clip: str
    person: int | str
    time: float
    seconds: float
    truth: str
    answer: str | None
    score: float
    missed: bool
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Seconds (or frames) of one label: total, correct, missed, and with the answer `other` or none; and the number of
    units that they rest on."""

    total: float
    right: float
    missed: float
    unanswered: float
    units: int

    @property
    def share(self) -> float:
        return self.right / self.total if self.total else 0.0

    @property
    def share_found(self) -> float | None:
        """Correct share where the person is found; None if the person never is."""
        found = self.total - self.missed
        return self.right / found if found > 0 else None


class MacroFigure(NamedTuple):
    """Mean over actions of the correct share, None without labels, and its bootstrap interval."""

    mean: float | None
    interval: Interval | None


class Selective(NamedTuple):
    """Precision of the answers at or above a score threshold, None without any, and their share of everything labelled.

    The bootstrap intervals are None with a single unit.
    """

    precision: float | None
    coverage: float | None
    precision_interval: Interval | None
    coverage_interval: Interval | None


def by_class(judged: Iterable[Judged]) -> dict[str, Tally]:
    """Return the tally of each true label, by name."""
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one.truth, []).append(one)
    return {truth: total(groups[truth]) for truth in sorted(groups)}


def total(judged: Sequence[Judged]) -> Tally:
    """Return the tally of all labels together."""
    return Tally(
        total=sum(one.seconds for one in judged),
        right=sum(one.seconds for one in judged if one.answer == one.truth),
        missed=sum(one.seconds for one in judged if one.missed),
        unanswered=sum(one.seconds for one in judged if not one.missed and one.answer in (None, OTHER)),
        units=len({one.unit for one in judged}),
    )


def seconds_by_answer(judged: Iterable[Judged]) -> dict[str, dict[str, float]]:
    """Return the seconds of each true label by answer, most first, including `MISSED` and `UNANSWERED`."""
    found: dict[str, dict[str, float]] = {}
    for one in judged:
        answers, given = found.setdefault(one.truth, {}), MISSED if one.missed else one.answer or UNANSWERED
        answers[given] = answers.get(given, 0) + one.seconds
    return {
        truth: dict(sorted(answers.items(), key=lambda entry: (-entry[1], entry[0])))
        for truth, answers in sorted(found.items())
    }


def macro_figure(
    judged: Sequence[Judged], actions: Collection[str] | None = None, *, found_only: bool = False
) -> MacroFigure:
    """Return the mean correct share over `actions`, or over all labelled ones.

    With `found_only`, what is labelled of a missed person does not count.
    """
    counted = [one for one in judged if (actions is None or one.truth in actions) and not (found_only and one.missed)]
    names, units = sorted({one.truth for one in counted}), sorted({one.unit for one in counted})
    if not counted:
        return MacroFigure(None, None)
    column = {name: at for at, name in enumerate(names)}
    row = {unit: at for at, unit in enumerate(units)}
    of = np.zeros((len(units), len(names)))
    right = np.zeros_like(of)
    for one in counted:
        of[row[one.unit], column[one.truth]] += one.seconds
        right[row[one.unit], column[one.truth]] += one.seconds * (one.answer == one.truth)
    return MacroFigure(macro(right.sum(0), of.sum(0)), bootstrap_macro(right, of))


def selective(judged: Sequence[Judged], threshold: float, *, other_is_right: bool = True) -> Selective:
    """Return precision and coverage of the answers that score at least `threshold`.

    `other` is an answer only for a person labelled so, or never without `other_is_right`; an action for such a person
    is wrong. Coverage is of everything labelled, including missed people.
    """
    units = {unit: at for at, unit in enumerate(sorted({one.unit for one in judged}))}
    right, answered, of = np.zeros((3, len(units)))
    for one in judged:
        at = units[one.unit]
        of[at] += one.seconds
        is_other = one.answer == OTHER and not (other_is_right and one.truth == OTHER)
        if one.answer is not None and not is_other and one.score >= threshold:
            answered[at] += one.seconds
            right[at] += one.seconds * (one.answer == one.truth)
    return Selective(
        float(right.sum() / answered.sum()) if answered.any() else None,
        float(answered.sum() / of.sum()) if judged else None,
        bootstrap_share(right, answered),
        bootstrap_share(answered, of),
    )


def match(first: Sequence[Box], second: Sequence[Box], min_iou: float = MIN_IOU) -> list[tuple[int, int]]:
    """Return one-to-one pairs of rows (first, second) with the greatest sum of IoU, without pairs below `min_iou`."""
    if not first or not second:
        return []
    overlap = iou(np.array(first, np.float64)[:, None], np.array(second, np.float64))
    # Pairs below `min_iou` weigh nothing, so that they never displace a valid pair.
    rows, columns = linear_sum_assignment(np.where(overlap >= min_iou, overlap, 0.0), maximize=True)
    found = zip(rows.tolist(), columns.tolist())
    return [(row, column) for row, column in found if overlap[row, column] >= min_iou]
