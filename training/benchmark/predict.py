"""Answers on test videos: which there are, and what a model says of each. Owns nothing.

No folder's name is looked at: test videos lie in folders that are called after the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from stages.types import Model
from training.benchmark.answer_folder import MadeWith, VideoAnswer
from training.benchmark.observed_answers import Answer
from training.benchmark.predicted_answers import ClassVote, PredictedFrame, predicted_frame, stand_in
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
    """The videos to look at, by name; those that can't be (name → why), which get an answer all the same; and files
    whose names can't stand in results, which get none (a sentence each)."""

    usable: list[UnlabelledVideo]
    faulty: dict[str, str]
    nameless: list[str]

    @property
    def names(self) -> list[str]:
        """Every name that gets an answer, sorted."""
        return sorted([*(video.name for video in self.usable), *self.faulty])


def videos_of_data_set(root: Path) -> FoundVideos:
    """The videos of `test_videos`. Raises `DatasetError` where there is none."""
    faults: list[tuple[ErrorCode, Path, str]] = []
    if not is_folder(root):
        raise DatasetError(f"{root}: is not a folder; give the one that holds {VIDEOS['test']}")
    found = unlabelled_videos(root, lambda *fault: faults.append(fault))
    return _sorted_out(root, found, faults, f"has no video in {VIDEOS['test']}")


def videos_of_folder(folder: Path) -> FoundVideos:
    """The video files that lie in a folder itself, called by their names without the suffix. Raises `DatasetError`."""
    faults: list[tuple[ErrorCode, Path, str]] = []
    found: list[UnlabelledVideo] = []
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(f"{folder}: can't be read: {error.strerror}") from None
    for path in entries:
        if path.name.startswith(".") or path.suffix.lower() not in VIDEO_SUFFIXES or path.is_dir():
            continue
        if fault := name_error(path.stem):
            faults.append((ErrorCode.BAD_NAME, path, fault))
        elif not path.exists():
            faults.append((ErrorCode.BROKEN_LINK, path, "is a link to something that isn't there"))
        else:
            found.append(UnlabelledVideo(path.stem, path))
    return _sorted_out(folder, found, faults, "has no video")


def _sorted_out(
    root: Path, found: list[UnlabelledVideo], faults: list[tuple[ErrorCode, Path, str]], nothing: str
) -> FoundVideos:
    report_duplicates(((video.name, video.path) for video in found), lambda *fault: faults.append(fault))
    faulty: dict[str, str] = {}
    nameless: list[str] = []
    for code, path, message in faults:
        sentence = f"{shown(path, root)}: {message}"
        if code not in _UNUSABLE or path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        if code == ErrorCode.BAD_NAME or name_error(path.stem):
            nameless.append(sentence)
        else:
            faulty[path.stem] = sentence
    videos = FoundVideos([video for video in found if video.name not in faulty], faulty, nameless)
    if not videos.names:
        raise DatasetError(f"{root}: {nothing}" + "".join(f"; {sentence}" for sentence in nameless[:1]))
    return videos


def answer_video(
    model: Model,
    path: Path,
    actions: Sequence[str],
    made_with: MadeWith,
    on_frame: Callable[[int], None] = lambda number: None,
) -> VideoAnswer:
    """Run every frame through the model; frames 1, 1 + every, … are reported, all have a say in the class.

    `actions`: the model's vocabulary. A video that can't be read, or not to its end, is answered from what could be,
    with `fault`. `on_frame` is told how many frames are done. The first picture is shown to the model once before: the
    benchmark scores frame 1.
    """
    frames: dict[str, PredictedFrame] = {}
    online: list[Answer] = []
    vote, fault = ClassVote(actions), None
    try:
        probe(path)
    except VideoError as error:
        fault = str(error)
    try:
        for meta, analysis in analyse_video(model, path, made_with.detector_size, rehearse=True):
            vote.add(analysis)
            label, score = vote.answer()
            online.append((meta.media_us / 1e6, label, round(score, 4)))
            if meta.frame % made_with.every == 0:
                frames[frame_file(meta.frame + 1)] = predicted_frame(analysis, meta.size)
            on_frame(meta.frame + 1)
    except VideoReadError as error:
        fault = fault or str(error).removeprefix(f"{path}: ")
    return VideoAnswer(vote.answer()[0] or stand_in(actions), frames, online, fault, made_with)


def answer_unseen(actions: Sequence[str], made_with: MadeWith, fault: str) -> VideoAnswer:
    """The answer on a video that can't be looked at: the benchmark takes no submission without one."""
    return VideoAnswer(stand_in(actions), {}, [], fault, made_with)
