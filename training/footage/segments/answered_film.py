"""A film with labelled segments, and a model's answers on it, frame by frame.

The labels have no boxes: they are those of the film's main person, whom a model's largest person stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from stages.types import Box, FrameAnalysis


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


def _area(person: SeenPerson) -> float:
    x1, y1, x2, y2 = person.box
    return (x2 - x1) * (y2 - y1)
