"""What readers of outside formats return, and the reading of their text files with one typed error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.settings_file import SettingsFileError, read_settings


class FormatError(ValueError):
    """A file is not what its format demands; the message names the file, the place and what to do."""


def check_file(path: Path) -> None:
    """Raise `FormatError` for a file that is missing or empty."""
    if not path.is_file():
        raise FormatError(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise FormatError(f"{path}: is empty")


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, stripped text) of the lines that are not blank.

    Raises `FormatError` for a file that cannot be read or is not UTF-8 text.
    """
    check_file(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if text := line.strip():
                    yield number, text
    except UnicodeDecodeError:
        raise FormatError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise FormatError(f"{path}: can't be read ({error.strerror or error})") from None


def read_mapping(path: Path, what: str) -> dict[Any, Any]:
    """Read a mapping from a YAML or JSON file; `what` describes it in errors. Raises `FormatError`."""
    try:
        return read_settings(path, what)
    except SettingsFileError as error:
        raise FormatError(str(error)) from None


def numbers(path: Path, line: int, words: list[str], length: int, what: str) -> NDArray[np.float64]:
    """Return the numbers of a line, NaN included. Raises `FormatError`, also for another number of them."""
    try:
        values = np.array(words, np.float64)
    except ValueError:
        raise FormatError(f"{path}, line {line}: {what}: {' '.join(words)[:60]!r} are not numbers") from None
    if len(values) != length:
        raise FormatError(f"{path}, line {line}: {what}: has {len(values)} values, not {length}")
    if np.isinf(values).any():
        raise FormatError(f"{path}, line {line}: {what}: holds an infinite number")
    return values


JOINTS = (
    "head_top", "head", "neck", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_hand",
    "r_hand", "pelvis", "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_toe", "r_toe",
)  # fmt: skip
JOINT = {name: index for index, name in enumerate(JOINTS)}
OPTIONAL = ("head_top", "l_hand", "r_hand", "l_toe", "r_toe")
"""Joints that a source may lack."""
KEYPOINTS = (
    "nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
    "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle",
)  # fmt: skip
"""COCO-17."""
KEYPOINT = {name: index for index, name in enumerate(KEYPOINTS)}
LEGS = ("hip", "knee", "ankle", "toe")
SIDED = ("shoulder", "elbow", "wrist", "hand", *LEGS)

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Span:
    """A name that the source gives to the time from `begin` to `end` (exclusive), in seconds of the recording."""

    begin: float
    end: float
    name: str


def whole(name: str) -> tuple[Span, ...]:
    """Return spans that give one name to a whole recording."""
    return (Span(-math.inf, math.inf, name),)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One person's motion in 3-D, with the unit and axes of its file.

    `times` float64 [T]: seconds, ascending. `joints` float32 [T, 20, 3] in the order of `JOINTS`, NaN where missing.
    `spans`: the source's names for times. `person` is "" if unknown. `text` is what a data folder keeps of its name.
    """

    text: str
    times: NDArray[np.float64]
    joints: Points
    spans: tuple[Span, ...] = ()
    person: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PoseSequence:
    """One person's keypoints in a video. `keypoints` float32 [T, 17, 3]: x, y and score, NaN where missing.

    `unit` says what x and y are. `size` is the picture's (width, height), zeros if unknown; `fps` 0 if unknown.
    """

    text: str
    keypoints: Points
    name: str
    unit: str = "pixel"
    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    person: str = ""


def empty_joints(frames: int) -> Points:
    """Return [frames, 20, 3] of missing joints."""
    return np.full((frames, len(JOINTS), 3), np.nan, np.float32)


def exchanged(joints: Points, parts: tuple[str, ...] = SIDED) -> Points:
    """Return the joints [T, 20, 3] with left and right of these parts exchanged."""
    order = np.arange(len(JOINTS))
    for part in parts:
        left, right = JOINT[f"l_{part}"], JOINT[f"r_{part}"]
        order[left], order[right] = right, left
    return joints[:, order]
