"""From what a model says of a video's frames to what the benchmark's files say of them: people, and the video's class.

Pure. The files are in docs/evaluation.md; the class is METHOD.md's section 2.9.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from stages.types import Box, FrameAnalysis, PartAnalysis, PersonAnalysis
from stages.vocabulary import STILL

MOST_PEOPLE = 10
"""The benchmark takes no more in a frame."""

OTHER = "other"
"""The action of who does none of the others, where a vocabulary has it."""

IntegerBox = tuple[int, int, int, int]


class PredictedPart(msgspec.Struct, frozen=True):
    """One part with its one proposal."""

    number: int
    name: str
    box: tuple[IntegerBox]
    verb: tuple[str]


class PredictedPerson(msgspec.Struct, frozen=True):
    """One person; the number counts from 1 in each frame, best first."""

    number: int
    box: IntegerBox
    parts: dict[str, PredictedPart]


class PredictedFrame(msgspec.Struct, frozen=True):
    """A frame as `pred_part_result.json` holds it."""

    humans: list[PredictedPerson]


def predicted_frame(analysis: FrameAnalysis, size: tuple[int, int]) -> PredictedFrame:
    """The ten people with the highest detection scores. `size`: (width, height) that the boxes are in pixels of.

    A part's verb is its best state among those in force; a part without one is still.
    """
    best = sorted(analysis.people, key=lambda person: -person.score)[:MOST_PEOPLE]
    return PredictedFrame([_person(number, person, size) for number, person in enumerate(best, 1)])


def _person(number: int, person: PersonAnalysis, size: tuple[int, int]) -> PredictedPerson:
    parts = {part.part: _part(at, part, size) for at, part in enumerate(person.parts, 1)}
    return PredictedPerson(number, whole_box(person.box, size), parts)


def _part(number: int, part: PartAnalysis, size: tuple[int, int]) -> PredictedPart:
    verb = part.states[0][0] if part.states else STILL
    return PredictedPart(number, part.part, (whole_box(part.box, size),), (verb,))


def whole_box(box: Box, size: tuple[int, int]) -> IntegerBox:
    """The nearest whole pixels, cut to the picture; its last column and row belong to it, as in the metric's boxes."""
    width, height = size
    x1, y1, x2, y2 = (
        min(max(round(value), 0), last) for value, last in zip(box, (width - 1, height - 1) * 2, strict=True)
    )
    return x1, y1, x2, y2


class ClassVote:
    """The video's class so far: the mean of the people's action scores over frames and people, each weighted by the
    person's detection score times the greatest relevance among their parts.

    A model publishes only the best few scores of a person's softmax; the actions that aren't among them count 0 there.
    """

    def __init__(self, actions: Sequence[str]) -> None:
        self._actions = tuple(actions)
        self._index = {action: at for at, action in enumerate(actions)}
        self._sums = np.zeros(len(self._actions))
        self._weight = 0.0

    def add(self, analysis: FrameAnalysis) -> None:
        """Count one frame. People without an action yet, or without a visible part, have no say."""
        for person in analysis.people:
            if person.action is None:
                continue
            weight = person.score * max((part.relevance for part in person.parts), default=0.0)
            self._weight += weight
            for action, score in person.action.top:
                self._sums[self._index[action]] += weight * score

    def answer(self) -> tuple[str | None, float]:
        """The class and its mean score in [0, 1]; None and 0 while nobody has had a say."""
        if self._weight <= 0:
            return None, 0.0
        best = int(self._sums.argmax())
        return self._actions[best], min(1.0, float(self._sums[best]) / self._weight)


def stand_in(actions: Sequence[str]) -> str:
    """The class of a video in which nobody was seen: `other` where there is such an action, else the first."""
    return OTHER if OTHER in actions else actions[0]
