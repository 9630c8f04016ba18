"""UTKinect-Action3D's text files: Kinect skeletons with 20 joints, and the times of actions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.body import JOINT, FormatError, Recording, Span, empty_joints, numbers, text_lines

Array = NDArray[np.float64]

UTKINECT_JOINTS = (
    "pelvis", "", "neck", "head", "l_shoulder", "l_elbow", "l_wrist", "l_hand", "r_shoulder", "r_elbow", "r_wrist",
    "r_hand", "l_hip", "l_knee", "l_ankle", "l_toe", "r_hip", "r_knee", "r_ankle", "r_toe",
)  # fmt: skip
"""The order of Kinect for Windows version 1; the spine is not used."""
UTKINECT_RATE = 60.0
"""Frame numbers a second: people then walk at 0.7 m/s, which fits; the camera took about 15 pictures a second."""
LABEL_FILES = ("actionLabel.txt", "actionLabel_modified.txt")
_JOINTS = 20
_FARTHEST_M = 100.0


def read_utkinect(path: Path, labels: Mapping[str, Sequence[Span]] | None = None) -> Recording:
    """Read a `joints_s01_e01.txt`: lines of a frame number and 20 joints (x, y, z in metres, y up).

    `labels`: of `read_action_labels`, by `s01_e01`; by default from a label file beside the joints or one folder up.
    Lines whose frame number does not rise are left out. Raises `FormatError`.
    """
    numbered: list[float] = []
    rows: list[Array] = []
    for line, text in text_lines(path):
        values = numbers(path, line, text.split(), 1 + 3 * _JOINTS, "a frame number and 20 joints")
        if numbered and not values[0] > numbered[-1]:
            continue
        numbered.append(float(values[0]))
        rows.append(values[1:])
    joints = _joints(path, rows)
    name = path.stem.removeprefix("joints_")
    if labels is None:
        labels = _labels_beside(path)
    return Recording(name, np.array(numbered) / UTKINECT_RATE, joints, tuple(labels.get(name, ())))


def read_action_labels(path: Path) -> dict[str, tuple[Span, ...]]:
    """Read UTKinect's `actionLabel.txt`: a line `s01_e01`, then lines `walk: 252 390`. Raises `FormatError`.

    Actions without limits (NaN) are left out.
    """
    found: dict[str, list[Span]] = {}
    recording = ""
    for line, text in text_lines(path):
        match = re.fullmatch(r"(\w+)\s*:\s*(\S+)\s+(\S+)", text)
        if match is None and re.fullmatch(r"\w+", text):
            recording = text
            found.setdefault(recording, [])
            continue
        if match is None or not recording:
            raise FormatError(f"{path}, line {line}: expected `s01_e01` or `walk: 252 390`, found {text[:40]!r}")
        first, last = numbers(path, line, [match[2], match[3]], 2, match[1])
        if last < first:
            raise FormatError(f"{path}, line {line}: {match[1]} ends ({last:.0f}) before it begins ({first:.0f})")
        if not np.isnan(first + last):
            found[recording].append(Span(first / UTKINECT_RATE, (last + 1) / UTKINECT_RATE, match[1]))
    return {name: tuple(spans) for name, spans in found.items()}


def _joints(path: Path, rows: list[Array]) -> NDArray[np.float32]:
    if not rows:
        raise FormatError(f"{path}: holds no frame")
    given = np.stack(rows).reshape(len(rows), _JOINTS, 3)
    given[(given == 0).all(-1)] = np.nan  # a joint that was not found
    if (np.abs(given[np.isfinite(given)]) > _FARTHEST_M).any():
        raise FormatError(f"{path}: holds coordinates above {_FARTHEST_M:.0f} m; they must be metres, not pixels")
    joints = empty_joints(len(rows))
    for number, name in enumerate(UTKINECT_JOINTS):
        if name:
            joints[:, JOINT[name]] = given[:, number]
    return joints


def _labels_beside(path: Path) -> dict[str, tuple[Span, ...]]:
    places = (folder / name for folder in (path.parent, path.parent.parent) for name in LABEL_FILES)
    found = next((place for place in places if place.is_file()), None)
    return {} if found is None else read_action_labels(found)
