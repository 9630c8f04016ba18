"""The four result files of the Kinetics-TPS benchmark: ground truth and prediction.

`gt_vid_result.json`, `pred_vid_result.json`: {video: class}. `gt_part_result.json`, `pred_part_result.json`: {video:
{frame: {"humans": [{"box": [x1, y1, x2, y2], "parts": {part: {"box": …, "verb": …}}}]}}}, frames named
`img_00001.json`; a true part has one box and one verb, a predicted part a list of each (docs/evaluation.md). Fields
that the metric does not use are optional. Frames and videos that are not in the ground truth are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from training.benchmark.submissions import decoding_errors
from training.benchmark.submissions.submission_columns import Integers, Names, People, PredictionReader, TruthReader
from training.benchmark.submissions.submission_errors import MissingVideosError, Place, WrongValueError, abbreviated
from training.kinetics_tps.names import GROUND_TRUTH_FILES

PREDICTION_FILES = ("pred_vid_result.json", "pred_part_result.json")


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
    videos, parts = (decoding_errors.read_bytes(folder / name) for name in GROUND_TRUTH_FILES)
    return parse_ground_truth(videos, parts)


def read_prediction(folder: Path, truth: GroundTruth) -> Prediction:
    """Read `pred_vid_result.json` and `pred_part_result.json` for the truth's videos. Raises `SubmissionError`."""
    videos, parts = (decoding_errors.read_bytes(folder / name) for name in PREDICTION_FILES)
    return parse_prediction(videos, parts, truth)


def parse_ground_truth(videos: bytes, parts: bytes) -> GroundTruth:
    """Return the ground truth from the two files' contents. Raises `SubmissionError`."""
    video_file, part_file = GROUND_TRUTH_FILES
    actions = _decode(video_file, videos, dict[str, str])
    frames = _decode(part_file, parts, dict[str, dict[str, msgspec.Raw]])
    if not actions:
        raise WrongValueError(Place(video_file), "has no video to evaluate")
    _require(part_file, actions, frames)
    part_names, verbs = Names(), Names()
    reader = TruthReader(part_file, part_names, verbs)
    named = [(video, frame, raw) for video in actions for frame, raw in frames[video].items()]
    people = reader.read(named)
    numbers = {video: index for index, video in enumerate(actions)}
    return GroundTruth(
        videos=tuple(actions),
        actions=tuple(actions.values()),
        frame_video=np.array([numbers[video] for video, _, _ in named], dtype=np.int64),
        frame_names=tuple(frame for _, frame, _ in named),
        people=people,
        part_names=part_names,
        verbs=verbs,
        warnings=(*_unknown(part_file, frames, actions, "are not in gt_vid_result.json"), *reader.warnings()),
    )


def parse_prediction(videos: bytes, parts: bytes, truth: GroundTruth) -> Prediction:
    """Return the prediction from the two files' contents. Raises `SubmissionError`."""
    video_file, part_file = PREDICTION_FILES
    actions = _decode(video_file, videos, dict[str, str])
    frames = _decode(part_file, parts, dict[str, dict[str, msgspec.Raw]])
    _require(video_file, truth.videos, actions)
    _require(part_file, truth.videos, frames)
    reader = PredictionReader(part_file, truth.part_names, truth.verbs)
    names = [truth.videos[index] for index in truth.frame_video]
    named = [(video, frame, frames[video].get(frame)) for video, frame in zip(names, truth.frame_names)]
    people = reader.read(named)
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


T = TypeVar("T")


def _decode(file: str, content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except decoding_errors.DECODING_ERRORS as error:
        raise decoding_errors.in_file(file, content, error) from None


def _require(file: str, wanted: Iterable[str], given: dict[str, Any]) -> None:
    wanted = tuple(wanted)
    if missing := [video for video in wanted if video not in given]:
        raise MissingVideosError(Place(file), missing, len(wanted))


def _unknown(file: str, given: Iterable[str], known: Iterable[str], reason: str) -> list[str]:
    known = set(known)
    extra = [video for video in given if video not in known]
    return [f"{file}: videos that {reason} are ignored, {len(extra)} in all: {abbreviated(extra)}"] if extra else []


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
