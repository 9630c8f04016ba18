"""The four result files of the Kinetics-TPS benchmark: ground truth and prediction.

`gt_vid_result.json`, `pred_vid_result.json`: {video: class}. `gt_part_result.json`, `pred_part_result.json`: {video:
{frame: {"humans": [{"box": [x1, y1, x2, y2], "parts": {part: {"box": …, "verb": …}}}]}}}, frames named
`img_00001.json`; a true part has one box and one verb, a predicted part a list of each (docs/evaluation.md). Fields
that the metric does not use are optional. Frames and videos that are not in the ground truth are ignored.

The metric computes on whole columns, so that a benchmark of hundreds of videos takes seconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.kinetics_tps.names import GROUND_TRUTH_FILES

PREDICTION_FILES = ("pred_vid_result.json", "pred_part_result.json")
PEOPLE_PER_FRAME = 10
PROPOSALS_PER_PART = 5
"""The benchmark's limits on a prediction."""
LARGEST_COORDINATE = 1e6
"""More than any frame has. Up to it, sums and products of whole coordinates are exact in float64."""
_SHOWN = 3

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Box = tuple[float, float, float, float]
T = TypeVar("T")


class SubmissionError(ValueError):
    """A result file cannot be evaluated; the message names the file and the place in it."""


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


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """The ground truth of V videos, and the numbering of names that predictions read against it share."""

    videos: tuple[str, ...]
    actions: tuple[str, ...]
    """[V]: the class of each video."""
    frame_video: Integers
    """[F]: index into `videos`, ascending."""
    frame_names: tuple[str, ...]
    people: People
    part_names: Names
    verbs: Names
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The prediction for the ground truth's videos and frames."""

    actions: tuple[str, ...]
    """[V], in the order of the ground truth's `videos`."""
    people: People
    warnings: tuple[str, ...]


def read_ground_truth(folder: Path) -> GroundTruth:
    """Read `gt_vid_result.json` and `gt_part_result.json`. Raises `SubmissionError`."""
    return parse_ground_truth(*(read_bytes(folder / name) for name in GROUND_TRUTH_FILES))


def read_prediction(folder: Path, truth: GroundTruth) -> Prediction:
    """Read `pred_vid_result.json` and `pred_part_result.json` for the truth's videos. Raises `SubmissionError`."""
    videos, parts = (read_bytes(folder / name) for name in PREDICTION_FILES)
    return parse_prediction(videos, parts, truth)


def parse_ground_truth(videos: bytes, parts: bytes) -> GroundTruth:
    """Return the ground truth from the two files' contents. Raises `SubmissionError`."""
    video_file, part_file = GROUND_TRUTH_FILES
    actions = decoded(video_file, videos, dict[str, str])
    frames = decoded(part_file, parts, dict[str, dict[str, msgspec.Raw]])
    if not actions:
        raise SubmissionError(f"{video_file}: has no video to evaluate")
    require(part_file, actions, frames)
    reader = _Reader(part_file, Names(), Names())
    named = [(video, frame, raw) for video in actions for frame, raw in frames[video].items()]
    people = reader.read(named, _TrueFrame)
    numbers = {video: index for index, video in enumerate(actions)}
    return GroundTruth(
        videos=tuple(actions),
        actions=tuple(actions.values()),
        frame_video=np.array([numbers[video] for video, _, _ in named], dtype=np.int64),
        frame_names=tuple(frame for _, frame, _ in named),
        people=people,
        part_names=reader.part_names,
        verbs=reader.verbs,
        warnings=(*_unknown(part_file, frames, actions, "are not in gt_vid_result.json"), *reader.warnings()),
    )


def parse_prediction(videos: bytes, parts: bytes, truth: GroundTruth) -> Prediction:
    """Return the prediction from the two files' contents. Raises `SubmissionError`."""
    video_file, part_file = PREDICTION_FILES
    actions = decoded(video_file, videos, dict[str, str])
    frames = decoded(part_file, parts, dict[str, dict[str, msgspec.Raw]])
    require(video_file, truth.videos, actions)
    require(part_file, truth.videos, frames)
    reader = _Reader(part_file, truth.part_names, truth.verbs)
    names = [truth.videos[index] for index in truth.frame_video]
    named = [(video, frame, frames[video].get(frame)) for video, frame in zip(names, truth.frame_names)]
    people = reader.read(named, _PredictedFrame)
    reason = "are not in the ground truth"
    return Prediction(
        actions=tuple(actions[video] for video in truth.videos),
        people=people,
        warnings=(
            *_unknown(video_file, actions, truth.videos, reason),
            *_unknown(part_file, frames, truth.videos, reason),
            *reader.warnings(),
            *_absent(part_file, truth, people),
        ),
    )


def read_bytes(path: Path) -> bytes:
    """Return the file's content. Raises `SubmissionError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SubmissionError(f"{path}: can't be read: {error.strerror or error}") from None


def decoded(where: str, content: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return JSON as a value of this type; `where` names it in errors. Raises `SubmissionError`."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SubmissionError(f"{where}: {str(error).replace('`', '').replace(' - at $', ', at ')}") from None


def require(file: str, wanted: Collection[str], given: dict[str, Any]) -> None:
    """Raise `SubmissionError` if a video is missing."""
    if missing := [video for video in wanted if video not in given]:
        raise SubmissionError(
            f"{file}: {len(missing)} of {len(wanted)} videos of the ground truth are missing: {_abbreviated(missing)}. "
            "Every video needs a class, and frames, even if empty: {}"
        )


class _Reader:
    """Collects one file's people into columns, frame by frame. `part_names` and `verbs` may already have names."""

    def __init__(self, file: str, part_names: Names, verbs: Names) -> None:
        self.file, self.part_names, self.verbs = file, part_names, verbs
        self._part_verbs, self._proposal_part, self._proposal_verb = array("q"), array("q"), array("q")
        self._proposal_box = array("d")
        self._reversed = self._single = self._unequal = 0

    def read(
        self,
        frames: Sequence[tuple[str, str, msgspec.Raw | None]],
        kind: type[_TrueFrame] | type[_PredictedFrame],
    ) -> People:
        """Return the people of the F frames: video, frame and its content, None if the file does not have it.

        Raises `SubmissionError`.
        """
        present = np.zeros(len(frames), dtype=bool)
        person_frame, person_box = array("q"), array("d")
        part_person, part_name = array("q"), array("q")
        for index, (video, frame, raw) in enumerate(frames):
            if raw is None:
                continue
            where = f"{self.file}: video {video!r}, frame {frame!r}"
            humans = decoded(where, raw, kind).humans
            present[index] = True
            if kind is _PredictedFrame and len(humans) > PEOPLE_PER_FRAME:
                raise SubmissionError(
                    f"{where}: {len(humans)} people; the benchmark allows {PEOPLE_PER_FRAME} per frame: keep those "
                    "with the highest scores"
                )
            for human in humans:
                part_person.extend([len(person_frame)] * len(human.parts))
                person_frame.append(index)
                person_box.extend(human.box)
                for name, part in human.parts.items():
                    part_name.append(self.part_names.number(name))
                    self._add(part, f"{where}, part {name!r}")
        people = People(
            present=present,
            person_frame=_integers(person_frame),
            person_box=_boxes(person_box),
            part_person=_integers(part_person),
            part_name=_integers(part_name),
            part_verbs=_integers(self._part_verbs),
            proposal_part=_integers(self._proposal_part),
            proposal_box=_boxes(self._proposal_box),
            proposal_verb=_integers(self._proposal_verb),
        )
        for boxes in (people.person_box, people.proposal_box):
            self._reversed += int(((boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])).sum())
            if (np.abs(boxes) > LARGEST_COORDINATE).any():
                far = boxes[(np.abs(boxes) > LARGEST_COORDINATE).any(axis=1)][0].tolist()
                raise SubmissionError(
                    f"{self.file}: {far} is not a box in pixels: coordinates go up to {LARGEST_COORDINATE:,.0f}"
                )
        return people

    def warnings(self) -> list[str]:
        """Return a line for each kind of tolerated content, with its count."""
        found = {
            f"boxes with x2 < x1 or y2 < y1: {self._reversed}; boxes are x1, y1, x2, y2": self._reversed,
            "parts with a single box or verb instead of a list, read as one proposal: "
            f"{self._single}; the benchmark requires lists": self._single,
            f"parts with unequal numbers of boxes and verbs: {self._unequal}; an extra verb counts as a wrong "
            "proposal, an extra box does not count": self._unequal,
        }
        return [f"{self.file}: {words}" for words, count in found.items() if count]

    def _add(self, part: _TruePart | _PredictedPart, where: str) -> None:
        """Store one part's proposals."""
        if isinstance(part, _TruePart):
            boxes, verbs = [part.box], [part.verb]
        else:
            single = bool(part.box) and isinstance(part.box[0], float)
            self._single += single or isinstance(part.verb, str)
            verbs = [part.verb] if isinstance(part.verb, str) else part.verb
            boxes: Any = [part.box] if single else part.box
            if any(isinstance(box, float) or len(box) != 4 for box in boxes):
                raise SubmissionError(f"{where}: expected boxes of four numbers: x1, y1, x2, y2")
            if (most := max(len(boxes), len(verbs))) > PROPOSALS_PER_PART:
                raise SubmissionError(
                    f"{where}: {most} proposals; the benchmark allows {PROPOSALS_PER_PART} per part: keep those with "
                    "the highest scores"
                )
            self._unequal += len(boxes) != len(verbs)
        for box, verb in zip(boxes, verbs):
            self._proposal_part.append(len(self._part_verbs))
            self._proposal_box.extend(box)
            self._proposal_verb.append(self.verbs.number(verb))
        self._part_verbs.append(len(verbs))


def _unknown(file: str, given: Iterable[str], known: Iterable[str], reason: str) -> list[str]:
    known = set(known)
    extra = [video for video in given if video not in known]
    return [f"{file}: videos that {reason} are ignored, {len(extra)} in all: {_abbreviated(extra)}"] if extra else []


def _absent(file: str, truth: GroundTruth, people: People) -> list[str]:
    wanted = np.zeros(len(truth.frame_names), dtype=bool)
    wanted[truth.people.person_frame] = True
    absent = np.flatnonzero(wanted & ~people.present)
    if not len(absent):
        return []
    first = f"{truth.videos[truth.frame_video[absent[0]]]!r}, {truth.frame_names[absent[0]]!r}"
    return [
        f"{file}: frames with people are missing and score 0: {len(absent)} of {int(wanted.sum())}; the first: {first}"
    ]


def _abbreviated(names: Sequence[str]) -> str:
    """Return the first few names, quoted, and the number of the others."""
    more = len(names) - _SHOWN
    return ", ".join(map(repr, names[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _integers(values: array[int]) -> Integers:
    return np.array(values, dtype=np.int64)


def _boxes(values: array[float]) -> Floats:
    return np.array(values, dtype=np.float64).reshape(-1, 4)
