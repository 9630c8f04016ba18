"""From a model's analyses of a video's frames to the benchmark's files: people by frame, and the video's class.

docs/evaluation.md describes the files, METHOD.md's section 2.9 the class.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from stages.types import Box, FrameAnalysis, PartAnalysis, PersonAnalysis
from stages.vocabulary import STILL
from training.benchmark.submission import PEOPLE_PER_FRAME

OTHER = "other"
"""The action of people who do none of the others, if the vocabulary has it."""

IntegerBox = tuple[int, int, int, int]


class PredictedPart(msgspec.Struct, frozen=True):
    """One part with one proposal."""

    number: int
    name: str
    box: tuple[IntegerBox]
    verb: tuple[str]


class PredictedPerson(msgspec.Struct, frozen=True):
    """One person; numbers count from 1 in each frame, best first."""

    number: int
    box: IntegerBox
    parts: dict[str, PredictedPart]


class PredictedFrame(msgspec.Struct, frozen=True):
    """A frame in `pred_part_result.json`."""

    humans: list[PredictedPerson]


def predicted_frame(analysis: FrameAnalysis, size: tuple[int, int]) -> PredictedFrame:
    """Return the ten people with the highest detection scores. `size`: (width, height) of the frame that has the boxes.

    A part's verb is the best of its current states; a part without one is still.
    """
    best = sorted(analysis.people, key=lambda person: -person.score)[:PEOPLE_PER_FRAME]
    return PredictedFrame([_person(number, person, size) for number, person in enumerate(best, 1)])


def _person(number: int, person: PersonAnalysis, size: tuple[int, int]) -> PredictedPerson:
    parts = {part.part: _part(at, part, size) for at, part in enumerate(person.parts, 1)}
    return PredictedPerson(number, whole_box(person.box, size), parts)


def _part(number: int, part: PartAnalysis, size: tuple[int, int]) -> PredictedPart:
    verb = part.states[0][0] if part.states else STILL
    return PredictedPart(number, part.part, (whole_box(part.box, size),), (verb,))


def whole_box(box: Box, size: tuple[int, int]) -> IntegerBox:
    """Return the box in whole pixels, clipped to the frame; it includes its last column and row, as in the metric."""
    width, height = size
    x1, y1, x2, y2 = (
        min(max(round(value), 0), last) for value, last in zip(box, (width - 1, height - 1) * 2, strict=True)
    )
    return x1, y1, x2, y2


class ClassVote:
    """The video's class so far: the mean of action scores over frames and people.

    Each is weighted by the person's detection score times the greatest relevance among their parts. A model publishes
    only the best few scores of a person; the other actions count as 0.
    """

    def __init__(self, actions: Sequence[str]) -> None:
        self._actions = tuple(actions)
        self._index = {action: at for at, action in enumerate(actions)}
        self._sums = np.zeros(len(self._actions))
        self._weight = 0.0

    def add(self, analysis: FrameAnalysis) -> None:
        """Count one frame. People without an action yet or without a visible part do not count."""
        for person in analysis.people:
            if person.action is None:
                continue
            weight = person.score * max((part.relevance for part in person.parts), default=0.0)
            self._weight += weight
            for action, score in person.action.top:
                self._sums[self._index[action]] += weight * score

    def answer(self) -> tuple[str | None, float]:
        """Return the class and its mean score in [0, 1]; None and 0 before anyone counted."""
        if self._weight <= 0:
            return None, 0.0
        best = int(self._sums.argmax())
        return self._actions[best], min(1.0, float(self._sums[best]) / self._weight)


def default_class(actions: Sequence[str]) -> str:
    """Return the class of a video without people: `other` if there is such an action, else the first."""
    return OTHER if OTHER in actions else actions[0]
