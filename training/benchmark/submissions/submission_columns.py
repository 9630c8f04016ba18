"""People and parts of one result file as columns of numbers, frame by frame, checked as they are read.

The metric computes on whole columns, so that a benchmark of hundreds of videos takes seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.benchmark.submissions import decoding_errors
from training.benchmark.submissions.submission_errors import Place, TooManyError, WrongValueError

PEOPLE_PER_FRAME = 10
PROPOSALS_PER_PART = 5
"""The benchmark's limits on a prediction."""
LARGEST_COORDINATE = 1e6
"""More than any frame has. Up to it, sums and products of whole coordinates are exact in float64."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Box = tuple[float, float, float, float]
NamedFrame = tuple[str, str, msgspec.Raw | None]
"""Video, frame, and its content in the file; None if the file does not have the frame."""


class _TruePart(msgspec.Struct, gc=False):
    box: Box
    verb: str


class _PredictedPart(msgspec.Struct, gc=False):
    box: list[float | Box]
    verb: list[str] | str


class _TruePerson(msgspec.Struct, gc=False):
    box: Box
    parts: dict[str, _TruePart]


class _PredictedPerson(msgspec.Struct, gc=False):
    box: Box
    parts: dict[str, _PredictedPart]


class _TrueFrame(msgspec.Struct, gc=False):
    humans: list[_TruePerson]


class _PredictedFrame(msgspec.Struct, gc=False):
    humans: list[_PredictedPerson]


class Names:
    """Numbers for names, from 0 in the order of first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the name's number; a new name gets the next one."""
        return self._numbers.setdefault(name, len(self._numbers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The people of the ground truth's F frames as columns: N people, M parts, P proposals, in the files' order."""

    present: Flags
    """[F]: whether the file has the frame."""
    person_frame: Integers
    """[N], ascending."""
    person_box: Floats
    """[N, 4]: x1, y1, x2, y2 in pixels, inclusive, as written in the file; so are the parts' boxes."""
    part_person: Integers
    """[M], ascending; a person has a part once."""
    part_name: Integers
    """[M]: number in the ground truth's `part_names`."""
    part_verbs: Integers
    """[M]: number of proposed verbs; 1 in a ground truth."""
    proposal_part: Integers
    """[P], ascending."""
    proposal_box: Floats
    """[P, 4]."""
    proposal_verb: Integers
    """[P]: number in the ground truth's `verbs`."""


class Reader(ABC):
    """Collects one file's people into columns, frame by frame. `part_names` and `verbs` may already have names."""

    frame_type: ClassVar[type[_TrueFrame] | type[_PredictedFrame]]
    part_type: ClassVar[type]
    people_limit: ClassVar[int | None]

    def __init__(self, file: str, part_names: Names, verbs: Names) -> None:
        self.file = file
        self._part_names, self._verbs = part_names, verbs
        self._person_frame, self._person_box = array("q"), array("d")
        self._part_person, self._part_name, self._part_verbs = array("q"), array("q"), array("q")
        self._proposal_part, self._proposal_box, self._proposal_verb = array("q"), array("d"), array("q")
        self._reversed = 0

    @abstractmethod
    def _add(self, part: Any) -> None:
        """Store one part's proposals. Raises `_PartError`."""

    def read(self, frames: Sequence[NamedFrame]) -> People:
        """Return the people of the F frames. Raises `SubmissionError`."""
        decode = msgspec.json.Decoder(self.frame_type).decode
        present = np.zeros(len(frames), dtype=bool)
        for index, (video, frame, raw) in enumerate(frames):
            if raw is None:
                continue
            try:
                humans = decode(raw).humans
            except decoding_errors.DECODING_ERRORS as error:
                raise decoding_errors.in_frame(self.file, video, frame, raw, error, self.part_type) from None
            present[index] = True
            if self.people_limit is not None and len(humans) > self.people_limit:
                raise TooManyError(
                    Place(self.file, video, frame),
                    f"{len(humans)} people; the benchmark allows {self.people_limit} per frame: keep those with the "
                    "highest scores",
                )
            for number, human in enumerate(humans, 1):
                person = len(self._person_frame)
                self._person_frame.append(index)
                self._person_box.extend(human.box)
                for name, part in human.parts.items():
                    self._part_person.append(person)
                    self._part_name.append(self._part_names.number(name))
                    try:
                        self._add(part)
                    except _PartError as error:
                        place = Place(self.file, video, frame, number, name, error.field)
                        raise error.kind(place, error.problem) from None
        people = People(
            present=present,
            person_frame=_integers(self._person_frame),
            person_box=_boxes(self._person_box),
            part_person=_integers(self._part_person),
            part_name=_integers(self._part_name),
            part_verbs=_integers(self._part_verbs),
            proposal_part=_integers(self._proposal_part),
            proposal_box=_boxes(self._proposal_box),
            proposal_verb=_integers(self._proposal_verb),
        )
        self._check_boxes(people, frames)
        return people

    def warnings(self) -> list[str]:
        """Return a line for each kind of tolerated content, with its count."""
        if not self._reversed:
            return []
        return [f"{self.file}: boxes with x2 < x1 or y2 < y1: {self._reversed}; boxes are x1, y1, x2, y2"]

    def _check_boxes(self, people: People, frames: Sequence[NamedFrame]) -> None:
        for boxes, of_parts in ((people.person_box, False), (people.proposal_box, True)):
            self._reversed += int(((boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])).sum())
            far = np.flatnonzero((np.abs(boxes) > LARGEST_COORDINATE).any(axis=1))
            if not len(far):
                continue
            row = int(far[0])
            part = int(people.proposal_part[row]) if of_parts else None
            person = row if part is None else int(people.part_person[part])
            frame = int(people.person_frame[person])
            first = int(np.searchsorted(people.person_frame, frame))
            name = None if part is None else list(self._part_names)[people.part_name[part]]
            video, frame_name, _ = frames[frame]
            raise WrongValueError(
                Place(self.file, video, frame_name, person - first + 1, name, "box"),
                f"{boxes[row].tolist()} is not a box in pixels: coordinates go up to {LARGEST_COORDINATE:,.0f}",
            )


class TruthReader(Reader):
    """Reads a ground truth: each part has one box and one verb."""

    frame_type = _TrueFrame
    part_type = _TruePart
    people_limit = None

    def _add(self, part: _TruePart) -> None:
        self._proposal_part.append(len(self._part_verbs))
        self._proposal_box.extend(part.box)
        self._proposal_verb.append(self._verbs.number(part.verb))
        self._part_verbs.append(1)


class PredictionReader(Reader):
    """Reads a prediction: each part has boxes and as many verbs, or a single one of each."""

    frame_type = _PredictedFrame
    part_type = _PredictedPart
    people_limit = PEOPLE_PER_FRAME

    def __init__(self, file: str, part_names: Names, verbs: Names) -> None:
        super().__init__(file, part_names, verbs)
        self._single = self._unequal = 0

    def _add(self, part: _PredictedPart) -> None:
        boxes, verbs = part.box, part.verb
        single_box = bool(boxes) and isinstance(boxes[0], float)
        self._single += single_box or isinstance(verbs, str)
        if isinstance(verbs, str):
            verbs = [verbs]
        if single_box:
            boxes = [_single_box(boxes)]
        most = max(len(boxes), len(verbs))
        if most > PROPOSALS_PER_PART:
            raise _PartError(
                TooManyError,
                "verb" if most == len(verbs) else "box",
                f"{most} proposals; the benchmark allows {PROPOSALS_PER_PART} per part: keep those with the highest "
                "scores",
            )
        if len(boxes) != len(verbs):
            self._unequal += 1
        if float in map(type, boxes):
            raise _PartError(WrongValueError, "box", _BOXES_EXPECTED)
        for box, verb in zip(boxes, verbs):
            assert isinstance(box, tuple)
            self._proposal_part.append(len(self._part_verbs))
            self._proposal_box.extend(box)
            self._proposal_verb.append(self._verbs.number(verb))
        self._part_verbs.append(len(verbs))

    def warnings(self) -> list[str]:
        found = super().warnings()
        if self._single:
            found.append(
                f"{self.file}: parts with a single box or verb instead of a list, read as one proposal: "
                f"{self._single}; the benchmark requires lists"
            )
        if self._unequal:
            found.append(
                f"{self.file}: parts with unequal numbers of boxes and verbs: {self._unequal}; an extra verb counts as "
                "a wrong proposal, an extra box does not count"
            )
        return found


_BOXES_EXPECTED = "expected a list of boxes, each of four numbers: x1, y1, x2, y2"


class _PartError(Exception):
    """A part cannot be used; the reader adds its place."""

    def __init__(self, kind: type[TooManyError] | type[WrongValueError], field: str, problem: str) -> None:
        super().__init__(problem)
        self.kind, self.field, self.problem = kind, field, problem


def _single_box(edges: Sequence[float | Box]) -> Box:
    numbers = [edge for edge in edges if isinstance(edge, float)]
    if len(edges) != 4 or len(numbers) != 4:
        raise _PartError(WrongValueError, "box", _BOXES_EXPECTED)
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _integers(values: array[int]) -> Integers:
    return np.array(values, dtype=np.int64)


def _boxes(values: array[float]) -> Floats:
    return np.array(values, dtype=np.float64).reshape(-1, 4)
