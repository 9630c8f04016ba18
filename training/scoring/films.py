"""Films with labelled segments and a checkpoint's answers: correct frames, falls, and segments as occurrences.

Events are when a smoothed action begins and ends, as the engine's event messages say it (`stream.cameras.camera`;
tests/integration/test_film_answers.py compares the two). A labelled fall is found if a fall event of any person begins
in its window: from `BEFORE_S` before the labelled begin to `AFTER_S` after the labelled end. Each event finds at most
one fall. A fall event in no window is a false alarm; any other event in a window is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stages.types import Box, FrameAnalysis
from training.footage.judging import Interval, Judged, clopper_pearson, poisson_count

SCORED_ACTIONS = (
    "stand", "walk", "run", "jump", "crouch", "sit", "lie", "crawl", "fall", "sit_down", "stand_up", "wave", "clap",
    "punch", "kick", "throw", "pick_up", "carry", "push_up", "squat", "cartwheel", "dance", "juggle", "other",
)  # fmt: skip
"""A checkpoint whose vocabulary lacks one of these is wrong wherever it is the label, so that no figure is gained by
leaving an action out."""
FALL = "fall"
BEFORE_S = 0.5
"""Labelled begins are good to about half a second; an earlier event is a false alarm."""
AFTER_S = 2.0


class Segment(NamedTuple):
    """The frames `start` to `stop`, exclusive, and the person's action; None: nothing is known of it."""

    start: int
    stop: int
    label: str | None


class SeenPerson(NamedTuple):
    """One person in one frame, as a result message has them.

    `label` and `smoothed` are None without an answer yet; scores are in [0, 1].
    """

    track: int
    box: Box
    label: str | None
    score: float
    smoothed: str | None
    smoothed_score: float

    def answer(self, *, smoothed: bool) -> tuple[str | None, float]:
        """Return the label of the last step and its score, or with `smoothed` the label that events are made from."""
        return (self.smoothed, self.smoothed_score) if smoothed else (self.label, self.score)


Frame = tuple[SeenPerson, ...]
"""The people of one frame."""


@dataclass(frozen=True, slots=True)
class AnsweredFilm:
    """A film of `frames` frames at `fps` frames a second, its segments in order, and the answers.

    `answers` has the people of each frame that shows any. `person` and `kind`, what is shown or where, group films; ""
    is unknown.
    """

    name: str
    frames: int
    fps: float
    segments: tuple[Segment, ...]
    answers: dict[int, Frame] = field(repr=False)
    person: str = ""
    kind: str = ""

    @property
    def seconds(self) -> float:
        """The film's length."""
        return self.frames / self.fps

    def main(self, frame: int) -> SeenPerson | None:
        """Return the person with the largest box in a frame; None if there is no person."""
        people = self.answers.get(frame, ())
        return max(people, key=_area) if people else None

    def labelled(self) -> Iterator[tuple[int, str]]:
        """Yield the labelled frames and their labels, in order."""
        for segment in self.segments:
            if segment.label is not None:
                for frame in range(max(segment.start, 0), min(segment.stop, self.frames)):
                    yield frame, segment.label


class ActionEvent(NamedTuple):
    """One person's unbroken smoothed action.

    `begin` is the frame in which it began; `end`, exclusive, the one in which another began, or the frame after the
    track was last seen.
    """

    track: int
    label: str
    begin: int
    end: int


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


def seen_people(analysis: FrameAnalysis) -> Frame:
    """Return the people of a frame's analysis."""
    return tuple(
        SeenPerson(person.track, person.box, None, 0.0, None, 0.0)
        if person.action is None
        else SeenPerson(
            person.track,
            person.box,
            person.action.label,
            person.action.score,
            person.action.smoothed,
            person.action.smoothed_score,
        )
        for person in analysis.people
    )


def judge(film: AnsweredFilm, *, smoothed: bool = False) -> list[Judged]:
    """Return each labelled frame of a film with the answer of its largest person; without one, it is missed.

    The answer is the label of the person's last step, or with `smoothed` the label that events are made from.
    """
    judged: list[Judged] = []
    for frame, truth in film.labelled():
        person = film.main(frame)
        answer, score = (None, 0.0) if person is None else person.answer(smoothed=smoothed)
        who, time = film.person or film.name, frame / film.fps
        judged.append(Judged(film.name, who, time, 1, truth, answer, score, person is None, film.name))
    return judged


def action_events(film: AnsweredFilm) -> list[ActionEvent]:
    """Return all events of a film, by their begin. A track that is lost and found again with its label goes on."""
    return sorted(_events(film), key=lambda event: (event.begin, event.track))


def _events(film: AnsweredFilm) -> Iterator[ActionEvent]:
    current: dict[int, ActionEvent] = {}
    for frame in sorted(film.answers):
        for person in film.answers[frame]:
            if person.smoothed is None:
                continue
            now = current.get(person.track)
            if now is not None and now.label == person.smoothed:
                current[person.track] = now._replace(end=frame + 1)
                continue
            if now is not None:
                yield now._replace(end=frame)
            current[person.track] = ActionEvent(person.track, person.smoothed, frame, frame + 1)
    yield from current.values()


def film_falls(film: AnsweredFilm) -> tuple[list[LabelledFall], list[FalseAlarm]]:
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
    return found, [FalseAlarm(film.name, film.kind, time) for time in alarms]


def fall_figures(films: Sequence[AnsweredFilm]) -> FallFigures:
    """Return the figures of all films together."""
    each = [film_falls(film) for film in films]
    return FallFigures(
        tuple(fall for falls, _ in each for fall in falls),
        tuple(alarm for _, alarms in each for alarm in alarms),
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


def together(ones: Iterable[Occurrence]) -> ActionOccurrences:
    """Return occurrences as one action's."""
    chosen = list(ones)
    delays = tuple(one.delay_s for one in chosen if one.begins)
    return ActionOccurrences(len(chosen), sum(one.found for one in chosen), delays)


def median(values: Sequence[float]) -> float | None:
    """Return the median, which may be infinite; None without values. Of an even number, the mean of the middle two."""
    if not values:
        return None
    ordered, middle = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return ordered[middle]
    below, above = ordered[middle - 1], ordered[middle]
    return math.inf if math.isinf(above) else (below + above) / 2


def _right(film: AnsweredFilm, frame: int, label: str) -> bool:
    person = film.main(frame)
    return person is not None and person.smoothed == label


def _area(person: SeenPerson) -> float:
    x1, y1, x2, y2 = person.box
    return (x2 - x1) * (y2 - y1)


def _within(time: float, begin: float, end: float) -> bool:
    return begin - BEFORE_S <= time <= end + AFTER_S
