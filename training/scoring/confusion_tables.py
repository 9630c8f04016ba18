"""Confusion of actions: frames of each labelled action by answer, of one set or of several together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.footage.judging import MISSED, UNANSWERED, by_class, seconds_by_answer
from training.scoring.figures import FrameFigures

Counted = Literal["frames", "last steps"]
"""What a set counts: labelled frames of videos, or the last steps of sequences."""


@dataclass(frozen=True, slots=True)
class SetConfusion:
    """One set. `answers`: counts by label and answer, which may be `MISSED` or `UNANSWERED`.

    `units`: for each label, the clips of videos or the people of sequences that it rests on.
    """

    name: str
    counted: Counted
    answers: Mapping[str, Mapping[str, float]]
    units: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """The sets `names` together: `counts` int64 [labels, answers] and `units` int64 [labels].

    `labels` and `answers` have only names that occur, in the order of a vocabulary; then others by name, `MISSED` and
    `UNANSWERED`. Each label has a count.
    """

    names: tuple[str, ...]
    counted: Counted
    labels: tuple[str, ...]
    answers: tuple[str, ...]
    counts: NDArray[np.int64]
    units: NDArray[np.int64]


def set_confusion(figures: FrameFigures, counted: Counted) -> SetConfusion:
    """Return the confusion of one set's figures."""
    units = {label: one.units for label, one in by_class(figures.judged).items()}
    return SetConfusion(figures.name, counted, seconds_by_answer(figures.judged), units)


def pooled(sets: Sequence[SetConfusion], actions: Sequence[str]) -> ConfusionTable | None:
    """Return several sets as one table, ordered as `actions`; None if nothing is labelled.

    Raises ValueError for sets that count different things.
    """
    if len({one.counted for one in sets}) > 1:
        raise ValueError("frames of videos and steps of sequences cannot be counted together")
    counts: dict[str, Counter[str]] = {}
    units: Counter[str] = Counter()
    for one in sets:
        for label, answers in one.answers.items():
            counts.setdefault(label, Counter()).update(answers)
            units[label] += one.units.get(label, 0)
    labels = _ordered((label for label, answers in counts.items() if answers.total()), actions)
    if not labels:
        return None
    given = {answer for label in labels for answer, count in counts[label].items() if count}
    columns = _ordered({*labels, *given}, actions)
    return ConfusionTable(
        names=tuple(one.name for one in sets),
        counted=sets[0].counted,
        labels=labels,
        answers=columns,
        counts=np.array([[counts[label][column] for column in columns] for label in labels], np.int64),
        units=np.array([units[label] for label in labels], np.int64),
    )


def _ordered(names: Iterable[str], actions: Sequence[str]) -> tuple[str, ...]:
    place = {name: at for at, name in enumerate(actions)} | {MISSED: len(actions) + 1, UNANSWERED: len(actions) + 2}
    return tuple(sorted(names, key=lambda name: (place.get(name, len(actions)), name)))
