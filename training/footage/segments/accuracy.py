"""Correct frames of labelled films: by action, their macro average, confusion, and precision by score threshold.

Each labelled frame counts once. The answer is that of the largest person; a frame without a person is missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from training.footage.labels import OTHER
from training.footage.segments.answered_film import AnsweredFilm
from training.footage.segments.intervals import Interval, bootstrap_macro, bootstrap_share, macro
from training.footage.summary import MISSED, UNANSWERED


class JudgedFrame(NamedTuple):
    """One labelled frame, or step of a sequence, and its answer: None if no person was found or there is no answer yet.

    `unit` is what a bootstrap resamples: a film's clip, a sequence's person. `person` is the film's, if known.
    """

    clip: str
    unit: str
    truth: str
    answer: str | None
    score: float
    found: bool
    person: str = ""

    @property
    def right(self) -> bool:
        return self.answer == self.truth

    @property
    def answered(self) -> bool:
        """Whether there is an answer; `other` is one only for a person who is labelled so."""
        return self.answer is not None and (self.answer != OTHER or self.truth == OTHER)


@dataclass(frozen=True, slots=True)
class ActionFrames:
    """Frames of one action: all, those in which a person was found, and those with the right answer."""

    frames: int
    found: int
    right: int
    units: int
    """Clips of films, or people of sequences, that the figures rest on."""

    @property
    def share(self) -> float:
        return self.right / self.frames

    @property
    def share_found(self) -> float | None:
        """Share of correct answers where a person is found; None if no person is found."""
        return self.right / self.found if self.found else None


class MacroFigure(NamedTuple):
    """Mean over actions of the share of right frames, None without frames, and its bootstrap interval."""

    mean: float | None
    interval: Interval | None


class Selective(NamedTuple):
    """Precision of the answers at or above a score threshold, None without any, and their share of all frames.

    The bootstrap intervals are None with a single clip or person."""

    precision: float | None
    coverage: float | None
    precision_interval: Interval | None = None
    coverage_interval: Interval | None = None


def judge(film: AnsweredFilm, *, smoothed: bool = False) -> list[JudgedFrame]:
    """Return each labelled frame of a film with the answer of its largest person.

    The answer is the label of the person's last step, or with `smoothed` the label that events are made from.
    """
    judged: list[JudgedFrame] = []
    for frame, truth in film.labelled():
        person = film.main(frame)
        answer, score = None, 0.0
        if person is not None:
            answer = person.smoothed if smoothed else person.label
            score = person.smoothed_score if smoothed else person.score
        judged.append(JudgedFrame(film.name, film.name, truth, answer, score, person is not None, film.person))
    return judged


def by_action(judged: Iterable[JudgedFrame]) -> dict[str, ActionFrames]:
    """Return the frames of each labelled action, by name."""
    groups = grouped(judged, lambda one: one.truth)
    return {
        truth: ActionFrames(
            len(ones),
            sum(one.found for one in ones),
            sum(one.right for one in ones),
            len({one.unit for one in ones}),
        )
        for truth, ones in sorted(groups.items())
    }


def macro_figure(
    judged: Sequence[JudgedFrame], actions: Collection[str] | None = None, *, found_only: bool = False
) -> MacroFigure:
    """Return the mean share of right frames over `actions`, or over all labelled ones.

    With `found_only`, frames without a person do not count.
    """
    counted = [one for one in judged if (actions is None or one.truth in actions) and (one.found or not found_only)]
    names = sorted({one.truth for one in counted})
    units = sorted({one.unit for one in counted})
    if not counted:
        return MacroFigure(None, None)
    column = {name: at for at, name in enumerate(names)}
    row = {unit: at for at, unit in enumerate(units)}
    of = np.zeros((len(units), len(names)), np.int64)
    right = np.zeros_like(of)
    for one in counted:
        of[row[one.unit], column[one.truth]] += 1
        right[row[one.unit], column[one.truth]] += one.right
    return MacroFigure(macro(right.sum(0), of.sum(0)), bootstrap_macro(right, of))


def confusion(judged: Iterable[JudgedFrame]) -> dict[str, dict[str, int]]:
    """Return the frames of each labelled action by answer, most first, including `MISSED` and `UNANSWERED`."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in judged:
        found[one.truth][(one.answer or UNANSWERED) if one.found else MISSED] += 1
    return {
        truth: dict(sorted(answers.items(), key=lambda entry: (-entry[1], entry[0])))
        for truth, answers in sorted(found.items())
    }


def selective(judged: Sequence[JudgedFrame], threshold: float) -> Selective:
    """Return precision and coverage of the answers that score at least `threshold`, with bootstrap intervals.

    Coverage is of all labelled frames, including those in which no person was found.
    """
    units = {unit: at for at, unit in enumerate(sorted({one.unit for one in judged}))}
    right, answered, frames = np.zeros((3, len(units)), np.int64)
    for one in judged:
        at = units[one.unit]
        frames[at] += 1
        if one.answered and one.score >= threshold:
            answered[at] += 1
            right[at] += one.right
    return Selective(
        float(right.sum() / answered.sum()) if answered.any() else None,
        float(answered.sum() / frames.sum()) if judged else None,
        bootstrap_share(right, answered),
        bootstrap_share(answered, frames),
    )


def grouped(judged: Iterable[JudgedFrame], key: Callable[[JudgedFrame], str]) -> dict[str, list[JudgedFrame]]:
    """Return the frames by a key, in the order of their first frame."""
    groups: dict[str, list[JudgedFrame]] = {}
    for one in judged:
        groups.setdefault(key(one), []).append(one)
    return groups
