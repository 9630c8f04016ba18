"""Test videos and a model's answers for them.

Folder names are ignored, because folders of test videos are named after the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stages.types import Model
from training.benchmark.answer_folder import MadeWith, VideoAnswer
from training.benchmark.observed_answers import Answer
from training.benchmark.predicted_answers import ClassVote, PredictedFrame, default_class, predicted_frame
from training.kinetics_tps.data_errors import ErrorCode, shown
from training.kinetics_tps.dataset import DatasetError, is_folder
from training.kinetics_tps.layout import UnlabelledVideo, report_duplicates, unlabelled_videos
from training.kinetics_tps.names import VIDEOS, frame_file, name_error
from training.kinetics_tps.video_facts import VideoError, probe
from training.video.analysis import analyse_video
from training.video.frames import VideoReadError

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg", ".flv"})

_UNUSABLE = frozenset({ErrorCode.BAD_NAME, ErrorCode.DUPLICATE_VIDEO, ErrorCode.BROKEN_LINK, ErrorCode.NOT_READABLE})


class FoundVideos(NamedTuple):
    """Videos to analyse, by name; unusable ones (name → why), which get an answer too; and files whose names cannot
    appear in results, which get none (a message each)."""

    usable: list[UnlabelledVideo]
    unusable: dict[str, str]
    misnamed: list[str]

    @property
    def names(self) -> list[str]:
        """Return every name that gets an answer, sorted."""
        return sorted([*(video.name for video in self.usable), *self.unusable])


def videos_of_data_set(root: Path) -> FoundVideos:
    """Return the videos of `test_videos`. Raises `DatasetError` if there is none."""
    errors: list[tuple[ErrorCode, Path, str]] = []
    if not is_folder(root):
        raise DatasetError(f"{root}: is not a folder; give the one that holds {VIDEOS['test']}")
    found = unlabelled_videos(root, lambda *error: errors.append(error))
    return _sorted_out(root, found, errors, f"has no video in {VIDEOS['test']}")


def videos_of_folder(folder: Path) -> FoundVideos:
    """Return the video files in a folder, named by their files without the suffix. Raises `DatasetError`."""
    errors: list[tuple[ErrorCode, Path, str]] = []
    found: list[UnlabelledVideo] = []
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(f"{folder}: can't be read: {error.strerror}") from None
    for path in entries:
        if path.name.startswith(".") or path.suffix.lower() not in VIDEO_SUFFIXES or path.is_dir():
            continue
        if error := name_error(path.stem):
            errors.append((ErrorCode.BAD_NAME, path, error))
        elif not path.exists():
            errors.append((ErrorCode.BROKEN_LINK, path, "is a link whose target is missing"))
        else:
            found.append(UnlabelledVideo(path.stem, path))
    return _sorted_out(folder, found, errors, "has no video")


def _sorted_out(
    root: Path, found: list[UnlabelledVideo], errors: list[tuple[ErrorCode, Path, str]], nothing: str
) -> FoundVideos:
    report_duplicates(((video.name, video.path) for video in found), lambda *error: errors.append(error))
    unusable: dict[str, str] = {}
    misnamed: list[str] = []
    for code, path, message in errors:
        sentence = f"{shown(path, root)}: {message}"
        if code not in _UNUSABLE or path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        if code == ErrorCode.BAD_NAME or name_error(path.stem):
            misnamed.append(sentence)
        else:
            unusable[path.stem] = sentence
    videos = FoundVideos([video for video in found if video.name not in unusable], unusable, misnamed)
    if not videos.names:
        raise DatasetError(f"{root}: {nothing}" + "".join(f"; {sentence}" for sentence in misnamed[:1]))
    return videos


def answer_video(
    model: Model,
    path: Path,
    actions: Sequence[str],
    made_with: MadeWith,
) -> VideoAnswer:
    """Run every frame through the model; frames 1, 1 + every, … are reported, and all count for the class.

    `actions`: the model's vocabulary. The answer for a video that cannot be read to its end is based on the frames
    before the error, and has `error`.
    """
    frames: dict[str, PredictedFrame] = {}
    online: list[Answer] = []
    vote, reason = ClassVote(actions), None
    try:
        probe(path)
    except VideoError as error:
        reason = str(error)
    try:
        for meta, analysis in analyse_video(model, path, made_with.detector_size):
            vote.add(analysis)
            label, score = vote.answer()
            online.append((meta.media_us / 1e6, label, round(score, 4)))
            if meta.frame % made_with.every == 0:
                frames[frame_file(meta.frame + 1)] = predicted_frame(analysis, meta.size)
    except VideoReadError as error:
        reason = reason or str(error).removeprefix(f"{path}: ")
    return VideoAnswer(vote.answer()[0] or default_class(actions), frames, online, reason, made_with)


def answer_unreadable(actions: Sequence[str], made_with: MadeWith, error: str) -> VideoAnswer:
    """Return the answer for a video that cannot be read; the benchmark requires one for every video."""
    return VideoAnswer(default_class(actions), {}, [], error, made_with)
