"""Figures of part states: average precision of the scores, and F1 of the published states."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

from training.benchmark.measures import average_precision
from training.synthetic.scoring.answers import Pair
from training.synthetic.scoring.judging import StateRows

_SIDES = ("left_", "right_")


class PairFigures(msgspec.Struct, frozen=True):
    """One part state. `count`: person-frames with the state, of `shown` in which the part is visible."""

    count: int
    shown: int
    average_precision: float | None
    precision: float | None
    recall: float | None
    f1: float | None


class PartFigures(msgspec.Struct, frozen=True):
    """All part states, by part and state, and the means over those that occur."""

    mean_average_precision: float | None
    mean_f1: float | None
    pairs: dict[str, dict[str, PairFigures]]


def part_figures(videos: Sequence[StateRows], pairs: Sequence[Pair]) -> PartFigures:
    """Return the figures of at least one video for the pairs that are the columns of `videos`."""
    found: dict[str, dict[str, PairFigures]] = defaultdict(dict)
    for column, (part, state) in enumerate(pairs):
        known = [rows.known[:, column] for rows in videos]
        truth = np.concatenate([rows.truth[some, column] for rows, some in zip(videos, known)])
        scores = np.concatenate([rows.scores[some, column] for rows, some in zip(videos, known)])
        called = np.concatenate([rows.called[some, column] for rows, some in zip(videos, known)])
        count, said, both = int(truth.sum()), int(called.sum()), int((truth & called).sum())
        found[part][state] = PairFigures(
            count,
            len(truth),
            average_precision(scores, truth) if count else None,
            both / said if said else None,
            both / count if count else None,
            2 * both / (count + said) if count else None,
        )
    there = [one for states in found.values() for one in states.values() if one.count]
    return PartFigures(_mean([one.average_precision for one in there]), _mean([one.f1 for one in there]), dict(found))


def by_kind(figures: PartFigures) -> dict[str, dict[str, tuple[int, float, float]]]:
    """Return (count, average precision, F1) of the states that occur, averaged over left and right parts, by `arm` …"""
    sides: dict[str, dict[str, list[PairFigures]]] = defaultdict(lambda: defaultdict(list))
    for part, states in figures.pairs.items():
        kind = next((part.removeprefix(side) for side in _SIDES if part.startswith(side)), part)
        for state, one in states.items():
            if one.count:
                sides[kind][state].append(one)
    return {
        kind: {
            state: (
                sum(one.count for one in ones),
                _mean([one.average_precision for one in ones]) or 0.0,
                _mean([one.f1 for one in ones]) or 0.0,
            )
            for state, ones in states.items()
        }
        for kind, states in sides.items()
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
