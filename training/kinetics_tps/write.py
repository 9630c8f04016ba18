"""Writing a data set in the layout that `Dataset` reads: annotations, lists and frame lists, but not videos.

Each file is written under a temporary name and renamed, so several processes may write one data set at once. Content
that would be read back differently is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stages.whole_file import whole_file
from training.kinetics_tps.annotations import encode_frame
from training.kinetics_tps.data_errors import printable
from training.kinetics_tps.dataset import DatasetError, Video
from training.kinetics_tps.lists import (
    OBJECT_LIST,
    PART_LIST,
    VERB_LIST,
    Lists,
    format_frame_list,
    format_labels,
)
from training.kinetics_tps.names import (
    FRAME_LISTS,
    LISTS,
    Split,
    annotation_folder,
    frame_file,
    name_error,
)


def write_annotations(root: Path, video: Video) -> None:
    """Write a training video's annotated frames. Raises `DatasetError`.

    `video.path` is not used: the video belongs at `names.video_file(root, "train", video.action, video.name)`.
    """
    for name in (video.action, video.name):
        if error := name_error(name):
            raise DatasetError(f"{printable(name)}: {error}")
    indices = [frame.index for frame in video.frames]
    if len(set(indices)) < len(indices) or any(index < 1 or index > video.facts.frames for index in indices):
        raise DatasetError(f"{video.name}: frames must be distinct and within 1 to {video.facts.frames}")
    folder = annotation_folder(root, video.action, video.name)
    for frame in video.frames:
        try:
            content = encode_frame(frame)
        except ValueError as error:
            raise DatasetError(f"{video.name}, frame {frame.index}: {error}") from None
        write_whole(folder / frame_file(frame.index), content)


def write_lists(root: Path, lists: Lists) -> None:
    """Write the lists of labels that are not empty. Raises `DatasetError`."""
    for file, labels in ((PART_LIST, lists.parts), (VERB_LIST, lists.verbs), (OBJECT_LIST, lists.objects)):
        if labels:
            try:
                content = format_labels(labels)
            except ValueError as error:
                raise DatasetError(f"{file}: {error}") from None
            write_whole(root / LISTS / file, content.encode())


def write_frame_list(root: Path, split: Split, frames: Mapping[str, int]) -> None:
    """Write `list/video_train_flist.csv` or `list/video_test_flist.csv`: frames by video. Raises `DatasetError`."""
    try:
        content = format_frame_list(frames)
    except ValueError as error:
        raise DatasetError(f"{FRAME_LISTS[split]}: {error}") from None
    write_whole(root / LISTS / FRAME_LISTS[split], content.encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically and create its folder. Raises `DatasetError`."""
    try:
        with whole_file(path) as unfinished:
            unfinished.write_bytes(content)
    except OSError as error:
        raise DatasetError(f"{printable(str(path))}: can't be written: {error.strerror}") from None
