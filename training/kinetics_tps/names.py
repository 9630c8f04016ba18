"""Paths and valid names in a Kinetics-TPS data set.

`train_videos/<class>/<video>.mp4`, `test_videos/<class>/<video>.mp4`, `list/`, and for some frames of each training
video `train_annotations/<class>/<video>/img_00001.json`. docs/kinetics-tps.md shows the whole layout.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "test"]

VIDEOS: dict[Split, str] = {"train": "train_videos", "test": "test_videos"}
ANNOTATIONS = "train_annotations"
LISTS = "list"
FRAME_LISTS: dict[Split, str] = {"train": "video_train_flist.csv", "test": "video_test_flist.csv"}
GROUND_TRUTH_FILES = ("gt_vid_result.json", "gt_part_result.json")
"""The benchmark's ground truth: classes of the videos, and people with their parts by frame."""
VIDEO_SUFFIX = ".mp4"
_FRAME = re.compile(r"img_([0-9]{5,9})\.json")
_BREAKS = ("Cc", "Zl", "Zp")
"""Unicode categories of line breaks and control characters."""
_MAX_NAME_BYTES = 200
"""In bytes: file systems allow 255, and temporary names are slightly longer."""


def frame_file(index: int) -> str:
    """Return the file name of the frame with this index, counted from 1: `img_00001.json`."""
    return f"img_{index:05d}.json"


def frame_index(name: str) -> int | None:
    """Return the index in an annotation's file name, or None for another name."""
    match = _FRAME.fullmatch(name)
    index = int(match[1]) if match else 0
    return index if index >= 1 and frame_file(index) == name else None


def video_file(root: Path, split: Split, folder: str, name: str) -> Path:
    """Return the path of a video."""
    return root / VIDEOS[split] / folder / f"{name}{VIDEO_SUFFIX}"


def annotation_folder(root: Path, action: str, name: str) -> Path:
    """Return the folder of a training video's annotated frames."""
    return root / ANNOTATIONS / action / name


def name_error(name: str) -> str | None:
    """Return why a class or a video cannot have this name, or None."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "its name is not in UTF-8"
    if name != name.strip() or any(unicodedata.category(letter) in _BREAKS for letter in name):
        return "its name has line breaks, control characters, or blanks at an end"
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        return "its name is empty, begins with a dot, or has a slash in it"
    if name.lower().endswith(VIDEO_SUFFIX):
        return f"its name ends in {VIDEO_SUFFIX}"
    if length > _MAX_NAME_BYTES:
        return f"its name is longer than {_MAX_NAME_BYTES} bytes"
    return None


def swapped_sides(classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the row of each class when mirrored, int64 `[classes]`: "left…" and "right…" are exchanged."""
    rows = {name: row for row, name in enumerate(classes)}

    def other(name: str) -> str:
        for side, opposite in (("left", "right"), ("right", "left")):
            if name.startswith(side):
                return opposite + name.removeprefix(side)
        return name

    return np.array([rows.get(other(name), row) for row, name in enumerate(classes)], np.int64)
