"""Falls: those found, how late, and false alarms over hours of footage.

A labelled fall is found if a fall event of any person begins in its window: from `BEFORE_S` before the labelled begin
to `AFTER_S` after the labelled end. Each event finds at most one fall. A fall event in no window is a false alarm; any
other event in a window is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from training.footage.segments.action_events import action_events
from training.footage.segments.answered_film import AnsweredFilm
from training.footage.segments.intervals import Interval, clopper_pearson, poisson_count

FALL = "fall"
BEFORE_S = 0.5
"""Labelled begins are good to about half a second; an earlier event is a false alarm."""
AFTER_S = 2.0


class LabelledFall(NamedTuple):
    """A labelled fall and the begin of the event that found it, in seconds of the film; None: not found."""

    film: str
    begin_s: float
    end_s: float
    event_s: float | None

    @property
    def delay_s(self) -> float:
        """Seconds from the labelled begin to the event; infinite if the fall was not found."""
        return math.inf if self.event_s is None else self.event_s - self.begin_s

    @property
    def after_impact_s(self) -> float:
        """Seconds from the labelled end, which is the impact, to the event; infinite if the fall was not found."""
        return math.inf if self.event_s is None else self.event_s - self.end_s


class FalseAlarm(NamedTuple):
    """A fall event where no fall is labelled, at `time_s` of the film."""

    film: str
    kind: str
    time_s: float


class FilmFalls(NamedTuple):
    """The falls and false alarms of one film."""

    falls: list[LabelledFall]
    false_alarms: list[FalseAlarm]


@dataclass(frozen=True, slots=True)
class FallFigures:
    """Figures of falls over films of `hours` hours."""

    falls: tuple[LabelledFall, ...]
    false_alarms: tuple[FalseAlarm, ...]
    hours: float
    films: int

    @property
    def found(self) -> int:
        return sum(fall.event_s is not None for fall in self.falls)

    @property
    def found_interval(self) -> Interval | None:
        """Exact interval of the share of falls that were found."""
        return clopper_pearson(self.found, len(self.falls))

    @property
    def median_delay_s(self) -> float | None:
        return median([fall.delay_s for fall in self.falls])

    @property
    def median_after_impact_s(self) -> float | None:
        return median([fall.after_impact_s for fall in self.falls])

    @property
    def alarms_an_hour(self) -> float | None:
        return len(self.false_alarms) / self.hours if self.hours else None

    @property
    def alarms_an_hour_interval(self) -> Interval | None:
        """Exact Poisson interval of the false alarms an hour."""
        if not self.hours:
            return None
        low, high = poisson_count(len(self.false_alarms))
        return Interval(low / self.hours, high / self.hours)


def film_falls(film: AnsweredFilm) -> FilmFalls:
    """Return a film's labelled falls and false alarms."""
    events = [event.begin / film.fps for event in action_events(film) if event.label == FALL]
    falls = [(segment.start / film.fps, segment.stop / film.fps) for segment in film.segments if segment.label == FALL]
    # Windows all have the same margins, so that giving each fall the first event in its window finds the most falls.
    free, found = sorted(events), list[LabelledFall]()
    for begin, end in sorted(falls):
        event = next((time for time in free if _within(time, begin, end)), None)
        if event is not None:
            free.remove(event)
        found.append(LabelledFall(film.name, begin, end, event))
    alarms = [time for time in sorted(events) if not any(_within(time, begin, end) for begin, end in falls)]
    return FilmFalls(found, [FalseAlarm(film.name, film.kind, time) for time in alarms])


def fall_figures(films: Sequence[AnsweredFilm]) -> FallFigures:
    """Return the figures of all films together."""
    each = [film_falls(film) for film in films]
    return FallFigures(
        tuple(fall for one in each for fall in one.falls),
        tuple(alarm for one in each for alarm in one.false_alarms),
        sum(film.seconds for film in films) / 3600,
        len(films),
    )


def without_falls(films: Iterable[AnsweredFilm]) -> dict[str, list[AnsweredFilm]]:
    """Return the films in which no fall is labelled by their kind: each alarm in them is false."""
    kinds: dict[str, list[AnsweredFilm]] = {}
    for film in films:
        if all(segment.label != FALL for segment in film.segments):
            kinds.setdefault(film.kind, []).append(film)
    return dict(sorted(kinds.items()))


def median(values: Sequence[float]) -> float | None:
    """Return the median, which may be infinite; None without values. Of an even number, the mean of the middle two."""
    if not values:
        return None
    ordered, middle = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return ordered[middle]
    below, above = ordered[middle - 1], ordered[middle]
    return math.inf if math.isinf(above) else (below + above) / 2


def _within(time: float, begin: float, end: float) -> bool:
    return begin - BEFORE_S <= time <= end + AFTER_S
