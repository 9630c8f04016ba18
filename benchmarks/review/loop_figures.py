"""False alarms and recall of two checkpoints on the same films, and whether the loop of review and training closed.

A false alarm is an event of which the stand-in says that it is not what was named. They are counted for all actions,
and apart for those that rules are mostly about: fall, lie and sit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.review.stand_in import judge
from training.footage.segments.answered_film import AnsweredFilm
from training.footage.segments.falls import FALL, film_falls
from training.footage.segments.intervals import Interval, poisson_count
from training.footage.segments.occurrences import occurrences

ALARMS = ("fall", "lie", "sit")
MOST_LOST = 0.05
"""The goal: neither the recall of one of the `ALARMS` nor the mean over actions may fall by more."""
FEWEST = 10
"""Least labelled occurrences of an action that counts in the mean; below, a single film would decide."""
_DRAWS, _SEED = 4000, 19


class FilmCounts(NamedTuple):
    """Of one film, by action: judged events, false alarms among them, labelled occurrences, and those found."""

    film: str
    seconds: float
    events: Mapping[str, int]
    false_alarms: Mapping[str, int]
    labelled: Mapping[str, int]
    found: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Recall:
    """Labelled occurrences of an action, those found by each checkpoint, and the bootstrap interval, by clip, of the
    difference of the shares, new minus old; None with fewer than two clips."""

    labelled: int
    old: int
    new: int
    difference: Interval | None

    @property
    def change(self) -> float:
        """Difference of the shares, new minus old."""
        return (self.new - self.old) / self.labelled


@dataclass(frozen=True, slots=True)
class Alarms:
    """Judged events and false alarms, each (old, new), of some actions.

    `interval`: exact Poisson interval of the old number of false alarms, `new_interval` of the new. `fewer_p`: the
    chance, if both checkpoints raised as many, that so few of all of them were the new one's.
    """

    events: tuple[int, int]
    false: tuple[int, int]
    interval: Interval
    new_interval: Interval
    fewer_p: float

    @property
    def fewer(self) -> bool:
        """Whether the new checkpoint's are fewer than the interval of the old ones begins with."""
        return self.false[1] < self.interval.low


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two checkpoints on the same films. `by_action`: false alarms (old, new) by the action that was named."""

    films: int
    hours: float
    every: Alarms
    alarms: Alarms
    by_action: Mapping[str, tuple[int, int]]
    recall: Mapping[str, Recall]

    @property
    def mean_change(self) -> float:
        """Mean change of recall over the actions with at least `FEWEST` labelled occurrences."""
        changes = [one.change for one in self.recall.values() if one.labelled >= FEWEST]
        return sum(changes) / len(changes) if changes else 0.0

    @property
    def kept(self) -> bool:
        """Whether no recall of the goal fell by more than `MOST_LOST`."""
        changes = [one.change for action, one in self.recall.items() if action in ALARMS]
        return all(change >= -MOST_LOST - 1e-9 for change in (*changes, self.mean_change))

    def as_json(self) -> dict[str, Any]:
        """Return the figures and conclusions as plain values."""
        plain = asdict(self) | {"mean_recall_change": self.mean_change, "kept": self.kept}
        for action, one in self.recall.items():
            plain["recall"][action]["change"] = one.change
        for name, one in (("every", self.every), ("alarms", self.alarms)):
            plain[name] |= {"fewer": one.fewer, "closed": one.fewer and self.kept}
        return plain


def count(film: AnsweredFilm) -> FilmCounts:
    """Return a film's counts. A fall is found as `training.footage.segments.falls` says, another action if an event of
    any person overlaps its segment."""
    judged = [one for one in judge(film) if one.said != "skip"]
    falls = [one.event_s is not None for one in film_falls(film).falls]
    others = [one for one in occurrences(film) if one.label != FALL]
    return FilmCounts(
        film.name,
        film.seconds,
        Counter(one.event.label for one in judged),
        Counter(one.event.label for one in judged if one.false_alarm),
        Counter([*(FALL for _ in falls), *(one.label for one in others)]),
        Counter([*(FALL for found in falls if found), *(one.label for one in others if one.found)]),
    )


def compare(old: Sequence[FilmCounts], new: Sequence[FilmCounts]) -> Comparison:
    """Compare the counts of two checkpoints on the same films, in the same order."""
    if [one.film for one in old] != [one.film for one in new]:
        raise ValueError("the counts are of different films")
    named = sorted({action for one in (*old, *new) for action in one.events})
    false = {
        action: tuple(sum(one.false_alarms.get(action, 0) for one in each) for each in (old, new)) for action in named
    }
    labelled = sorted({action for one in old for action in one.labelled})
    return Comparison(
        films=len(old),
        hours=round(sum(one.seconds for one in old) / 3600, 4),
        every=_alarms(old, new, named),
        alarms=_alarms(old, new, ALARMS),
        by_action={action: (before, after) for action, (before, after) in false.items() if before or after},
        recall={action: _recall(old, new, action) for action in labelled},
    )


def largest_closing(before: int) -> int:
    """Return the largest number of false alarms that is below the interval of `before`; -1 if there is none."""
    return int(np.ceil(poisson_count(before).low)) - 1


def power(before: float, removed: float) -> float:
    """Return the chance that the false alarms fall below the interval, if the old checkpoint raises `before` on
    average and the new one that many without the share `removed`. Both numbers are taken as Poisson distributed."""
    counts = np.arange(int(before + 10 * np.sqrt(before + 1)) + 10)
    chances = np.diff(special.pdtr(counts, before), prepend=0.0)
    closing = np.array([largest_closing(int(one)) for one in counts])
    closed = np.where(closing < 0, 0.0, special.pdtr(np.maximum(closing, 0), before * (1 - removed)))
    return float((chances * closed).sum())


def _alarms(old: Sequence[FilmCounts], new: Sequence[FilmCounts], actions: Collection[str]) -> Alarms:
    before, after = (sum(one.false_alarms.get(action, 0) for one in each for action in actions) for each in (old, new))
    events = [sum(one.events.get(action, 0) for one in each for action in actions) for each in (old, new)]
    both = before + after
    return Alarms(
        (events[0], events[1]),
        (before, after),
        poisson_count(before),
        poisson_count(after),
        float(special.bdtr(after, both, 0.5)) if both else 1.0,
    )


def _recall(old: Sequence[FilmCounts], new: Sequence[FilmCounts], action: str) -> Recall:
    labelled = np.array([one.labelled.get(action, 0) for one in old])
    hits = np.array([[one.found.get(action, 0) for one in each] for each in (old, new)])
    found = [int(number) for number in hits.sum(1)]
    return Recall(int(labelled.sum()), found[0], found[1], _difference(labelled, hits[1] - hits[0]))


def _difference(of: NDArray[np.int64], gained: NDArray[np.int64]) -> Interval | None:
    """Return the bootstrap interval, over resampled clips, of the difference of two shares of the same occurrences."""
    counted = of > 0
    of, gained = of[counted], gained[counted]
    if len(of) < 2:
        return None
    weights = np.random.default_rng(_SEED).multinomial(len(of), np.full(len(of), 1 / len(of)), size=_DRAWS)
    low, high = np.quantile((weights @ gained) / (weights @ of), [0.025, 0.975])
    return Interval(float(low), float(high))
