"""Writing a data set in the layout that `Dataset` reads, but not its videos, and the benchmark's ground truth.

Each file is written under a temporary name and renamed, so several processes may write one data set at once. The ground
truth is `gt_vid_result.json`, {video: class}, and `gt_part_result.json`, {video: {"img_00001.json": {"humans": […]}}};
`training.benchmark.psc` reads and scores them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from stages.whole_file import whole_file
from training.kinetics_tps.annotations import AnnotatedFrame, FrameJson, encode_frame
from training.kinetics_tps.data_errors import printable
from training.kinetics_tps.dataset import DatasetError, Video
from training.kinetics_tps.lists import OBJECT_LIST, PART_LIST, VERB_LIST, Lists
from training.kinetics_tps.names import (
    FRAME_LISTS,
    GROUND_TRUTH_FILES,
    LISTS,
    Split,
    annotation_folder,
    frame_file,
)


def write_annotations(root: Path, video: Video) -> None:
    """Write a training video's annotated frames. Raises `DatasetError`.

    `video.path` is not used: the video belongs at `names.video_file(root, "train", video.action, video.name)`.
    """
    folder = annotation_folder(root, video.action, video.name)
    for frame in video.frames:
        write_whole(folder / frame_file(frame.index), encode_frame(frame))


def write_lists(root: Path, lists: Lists) -> None:
    """Write the lists of labels that are not empty. Raises `DatasetError`."""
    for file, labels in ((PART_LIST, lists.parts), (VERB_LIST, lists.verbs), (OBJECT_LIST, lists.objects)):
        if labels:
            write_whole(root / LISTS / file, "".join(f"{label}\n" for label in labels).encode())


def write_frame_list(root: Path, split: Split, frames: Mapping[str, int]) -> None:
    """Write `list/video_train_flist.csv` or `list/video_test_flist.csv`: frames by video. Raises `DatasetError`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("video", "frames"), *frames.items()])
    write_whole(root / LISTS / FRAME_LISTS[split], text.getvalue().encode())


OFFICIAL_EVERY = 5
"""The benchmark scores frames 1, 6, 11, …"""


def write_ground_truth(folder: Path, videos: Iterable[Video], *, every: int = 1) -> int:
    """Write both files for the annotated frames 1, 1 + every, 1 + 2 · every … and return the number of videos.

    A video without such a frame is left out: the metric would give it full marks. Memory holds one video at a time and
    the files' text. Raises `DatasetError` for a duplicate name, or if no video is left.
    """
    actions: dict[str, str] = {}
    parts: list[bytes] = []
    for video in videos:
        frames = scored(video, every)
        if not frames:
            continue
        if video.name in actions:
            raise DatasetError(f"two videos are called {video.name!r}; results use the name alone")
        actions[video.name] = video.action
        named = {frame_file(frame.index): FrameJson(frame.people) for frame in frames}
        parts.append(msgspec.json.encode(video.name) + b":" + msgspec.json.encode(named))
    if not actions:
        raise DatasetError(f"no video has an annotated frame among 1, {1 + every}, {1 + 2 * every} …")
    video_file, part_file = GROUND_TRUTH_FILES
    write_whole(folder / video_file, msgspec.json.encode(actions))
    write_whole(folder / part_file, b"{" + b",".join(parts) + b"}")
    return len(actions)


def scored(video: Video, every: int) -> list[AnnotatedFrame]:
    """Return the annotated frames among 1, 1 + every, 1 + 2 · every …, in order."""
    if every < 1:
        raise ValueError(f"every {every} frames: must be at least 1")
    return sorted((frame for frame in video.frames if (frame.index - 1) % every == 0), key=lambda frame: frame.index)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically and create its folder. Raises `DatasetError`."""
    try:
        with whole_file(path) as unfinished:
            unfinished.write_bytes(content)
    except OSError as error:
        raise DatasetError(f"{printable(str(path))}: can't be written: {error.strerror}") from None
