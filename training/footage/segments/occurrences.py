"""Segments as occurrences of an action: which were recognised at all, and how soon."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from training.footage.segments.action_events import action_events
from training.footage.segments.answered_film import AnsweredFilm
from training.footage.segments.falls import median
from training.footage.segments.intervals import Interval, clopper_pearson

SHORT_ACTIONS = frozenset(
    ("jump", "kick", "punch", "throw", "pick_up", "wave", "clap", "sit_down", "stand_up", "cartwheel", "fall")
)
"""Actions that are over in seconds, of which an event is worth more than the share of right frames."""


class Occurrence(NamedTuple):
    """One labelled segment.

    `found`: whether an event of its label, of any person, overlaps it. `begins` is false if the segment starts with the
    film, so that the action may have begun before. `delay_s`: seconds from its first frame to the first one in which
    the largest person's smoothed label is right; infinite if there is none.
    """

    film: str
    label: str
    begins: bool
    found: bool
    delay_s: float


@dataclass(frozen=True, slots=True)
class ActionOccurrences:
    """The occurrences of one action: all, those found, and the delays of those whose begin is seen."""

    count: int
    found: int
    delays_s: tuple[float, ...]

    @property
    def found_interval(self) -> Interval | None:
        """Exact interval of the share that was found, as if occurrences were independent."""
        return clopper_pearson(self.found, self.count)

    @property
    def median_delay_s(self) -> float | None:
        return median(self.delays_s)


def occurrences(film: AnsweredFilm) -> list[Occurrence]:
    """Return a film's labelled segments."""
    events = action_events(film)
    found: list[Occurrence] = []
    for start, stop, label in film.segments:
        if label is None:
            continue
        overlaps = any(event.label == label and event.begin < stop and event.end > start for event in events)
        delay = next((frame - start for frame in range(start, stop) if _right(film, frame, label)), math.inf)
        found.append(Occurrence(film.name, label, start > 0, overlaps, delay / film.fps))
    return found


def by_action(ones: Iterable[Occurrence]) -> dict[str, ActionOccurrences]:
    """Return the occurrences of each action, by name."""
    groups: dict[str, list[Occurrence]] = {}
    for one in ones:
        groups.setdefault(one.label, []).append(one)
    return {label: together(group) for label, group in sorted(groups.items())}


def together(ones: Sequence[Occurrence], labels: Collection[str] | None = None) -> ActionOccurrences:
    """Return the occurrences of these labels, or of all, as one."""
    chosen = [one for one in ones if labels is None or one.label in labels]
    delays = tuple(one.delay_s for one in chosen if one.begins)
    return ActionOccurrences(len(chosen), sum(one.found for one in chosen), delays)


def _right(film: AnsweredFilm, frame: int, label: str) -> bool:
    person = film.main(frame)
    return person is not None and person.smoothed == label
