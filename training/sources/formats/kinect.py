"""Text files of Kinect skeletons: UTKinect-Action3D and MSR-Action3D (20 joints), NTU RGB+D (25 joints)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.body import JOINT, Recording, Span, empty_joints, whole
from training.sources.formats.reading import FormatError, check_duration, count, numbers, text_lines

Array = NDArray[np.float64]

UTKINECT_JOINTS = (
    "pelvis", "", "neck", "head", "l_shoulder", "l_elbow", "l_wrist", "l_hand", "r_shoulder", "r_elbow", "r_wrist",
    "r_hand", "l_hip", "l_knee", "l_ankle", "l_toe", "r_hip", "r_knee", "r_ankle", "r_toe",
)  # fmt: skip
"""The order of Kinect for Windows version 1; the spine is not used."""
MSR_JOINTS = (
    "l_shoulder", "r_shoulder", "neck", "", "l_hip", "r_hip", "pelvis", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
    "l_hand", "r_hand", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_toe", "r_toe", "head",
)  # fmt: skip
"""MSR-Action3D's order. Which side comes first is decided by the toes (`Options.sides`)."""
UTKINECT_RATE = 60.0
"""Frame numbers a second: people then walk at 0.7 m/s, which fits; the camera took about 15 pictures a second."""
MSR_FPS = 15.0
LABEL_FILES = ("actionLabel.txt", "actionLabel_modified.txt")
_JOINTS = 20
_MOST_FRAMES = 200_000
_FARTHEST_M = 100.0


def read_utkinect(path: Path, labels: Mapping[str, Sequence[Span]] | None = None) -> Recording:
    """Read a `joints_s01_e01.txt`: lines of a frame number and 20 joints (x, y, z in metres, y up).

    `labels`: of `read_action_labels`, by `s01_e01`; by default from a label file beside the joints or one folder up.
    Lines whose frame number does not rise are left out. Raises `FormatError`.
    """
    numbered: list[float] = []
    rows: list[Array] = []
    for line, text in text_lines(path):
        values = numbers(path, line, text.split(), "joints")
        if len(values) != 1 + 3 * _JOINTS:
            raise FormatError(f"{path}, line {line}: has {len(values)} values, not a frame number and 60 coordinates")
        if not 0 <= values[0] < 1e9:
            raise FormatError(f"{path}, line {line}: the frame number must be 0 or more, not {values[0]}")
        if numbered and values[0] <= numbered[-1]:
            continue
        numbered.append(float(values[0]))
        rows.append(values[1:])
        if len(rows) > _MOST_FRAMES:
            raise FormatError(f"{path}: holds more than {_MOST_FRAMES} frames")
    joints = _joints(path, rows, UTKINECT_JOINTS)
    times = np.array(numbered) / UTKINECT_RATE
    check_duration(path, float(times[-1] - times[0]))
    name = path.stem.removeprefix("joints_")
    if labels is None:
        labels = _labels_beside(path)
    return Recording(name, times, joints, tuple(labels.get(name, ())))


def read_action_labels(path: Path) -> dict[str, tuple[Span, ...]]:
    """Read UTKinect's `actionLabel.txt`: a line `s01_e01`, then lines `walk: 252 390`. Raises `FormatError`.

    Actions without limits (NaN) are left out.
    """
    found: dict[str, list[Span]] = {}
    recording = ""
    for line, text in text_lines(path):
        match = re.fullmatch(r"(\w+)\s*:\s*(\S+)\s+(\S+)", text)
        if match is None:
            recording = text
            if not re.fullmatch(r"\w+", text):
                raise FormatError(f"{path}, line {line}: expected `s01_e01` or `walk: 252 390`, found {text[:40]!r}")
            found.setdefault(recording, [])
            continue
        if not recording:
            raise FormatError(f"{path}, line {line}: an action comes before the first recording, such as s01_e01")
        first, last = numbers(path, line, [match[2], match[3]], match[1])
        if np.isnan(first) or np.isnan(last):
            continue
        if last < first:
            raise FormatError(f"{path}, line {line}: {match[1]} ends ({last:.0f}) before it begins ({first:.0f})")
        found[recording].append(Span(first / UTKINECT_RATE, (last + 1) / UTKINECT_RATE, match[1]))
    return {name: tuple(spans) for name, spans in found.items()}


def read_msr_action3d(path: Path) -> Recording:
    """Read an `a01_s01_e01_skeleton3D.txt`: 20 lines a frame with x, y, z in metres (y up) and a confidence.

    The name is the action's number, `a01`. Raises `FormatError`.
    """
    points: list[Array] = []
    for line, text in text_lines(path):
        values = numbers(path, line, text.split(), "joint")
        if len(values) not in (3, 4):
            raise FormatError(f"{path}, line {line}: has {len(values)} values, not x, y, z and a confidence")
        points.append(values[:3])
        if len(points) > _MOST_FRAMES * _JOINTS:
            raise FormatError(f"{path}: holds more than {_MOST_FRAMES} frames")
    if len(points) % _JOINTS:
        raise FormatError(f"{path}: has {len(points)} lines, not 20 for each frame; is it complete?")
    joints = _joints(
        path, [np.concatenate(points[n : n + _JOINTS]) for n in range(0, len(points), _JOINTS)], MSR_JOINTS
    )
    stem = path.stem.removesuffix("_skeleton3D")
    action = re.match(r"a\d\d", stem)
    times = np.arange(len(joints)) / MSR_FPS
    check_duration(path, float(times[-1]))
    return Recording(stem, times, joints, whole(action[0] if action else stem))


def _joints(path: Path, rows: list[Array], order: Sequence[str]) -> NDArray[np.float32]:
    if not rows:
        raise FormatError(f"{path}: holds no frame")
    given = np.stack(rows).reshape(len(rows), _JOINTS, 3)
    given[(given == 0).all(-1)] = np.nan  # a joint that was not found
    if (np.abs(given[np.isfinite(given)]) > _FARTHEST_M).any():
        raise FormatError(f"{path}: holds coordinates above {_FARTHEST_M:.0f} m; they must be metres, not pixels")
    joints = empty_joints(len(rows))
    for number, name in enumerate(order):
        if name:
            joints[:, JOINT[name]] = given[:, number]
    return joints


def _labels_beside(path: Path) -> dict[str, tuple[Span, ...]]:
    for folder in (path.parent, path.parent.parent):
        for name in LABEL_FILES:
            if (folder / name).is_file():
                return read_action_labels(folder / name)
    return {}


NTU_JOINTS = {
    0: "pelvis", 20: "neck", 3: "head", 4: "l_shoulder", 5: "l_elbow", 6: "l_wrist", 7: "l_hand", 8: "r_shoulder",
    9: "r_elbow", 10: "r_wrist", 11: "r_hand", 12: "l_hip", 13: "l_knee", 14: "l_ankle", 15: "l_toe", 16: "r_hip",
    17: "r_knee", 18: "r_ankle", 19: "r_toe",
}  # fmt: skip
"""Of the 25 joints of Kinect version 2; the neck is its `SpineShoulder`, as in version 1."""
NTU_FPS = 30.0
_NTU_COUNT = 25
_NTU_MOST_FRAMES = 100_000
_MOST_BODIES = 6
_LEAST_SEEN = 10
"""Frames that a body must have been seen in: shorter ones are mistakes of the tracker."""


def read_ntu(path: Path) -> list[Recording]:
    """Read a `.skeleton` file of NTU RGB+D: a recording for each body, longest first. Raises `FormatError`.

    The name is the action, `A001`. The text ends with the body's number, from 1; only the first body is the person of
    the file's name. Joints that were not tracked are missing.
    """
    lines = text_lines(path)
    line = 0

    def following(what: str) -> list[str]:
        nonlocal line
        line, text = next(lines, (0, ""))
        if not line:
            raise FormatError(f"{path}: ends where {what} should follow; is it complete?")
        return text.split()

    def counted(what: str, largest: int) -> int:
        words = following(what)
        if len(words) != 1:
            raise FormatError(f"{path}, line {line}: expected {what} alone, found {len(words)} values")
        return count(path, line, words[0], what, largest)

    frames = counted("the number of frames", _NTU_MOST_FRAMES)
    bodies: dict[str, dict[int, Array]] = {}
    for frame in range(frames):
        for _ in range(counted("the number of bodies", _MOST_BODIES)):
            body = following("a body")[0]
            if counted("the number of joints", 100) != _NTU_COUNT:
                raise FormatError(f"{path}, line {line}: a body must have {_NTU_COUNT} joints")
            points = np.empty((_NTU_COUNT, 3))
            for joint in range(_NTU_COUNT):
                words = following("a joint")
                if len(words) != 12:
                    raise FormatError(f"{path}, line {line}: a joint has {len(words)} values, not 12")
                values = numbers(path, line, [*words[:3], words[-1]], "joint")
                points[joint] = values[:3] if values[3] != 0 else np.nan
            bodies.setdefault(body, {})[frame] = points
    if next(lines, None) is not None:
        raise FormatError(f"{path}: holds more than the {frames} frames announced")
    found = sorted((seen for seen in bodies.values() if len(seen) >= _LEAST_SEEN), key=len, reverse=True)
    if not found:
        raise FormatError(f"{path}: no body is seen in {_LEAST_SEEN} frames or more")
    match = re.search(r"A\d{3}", path.stem)
    name = match[0] if match else path.stem
    return [_ntu_body(path, f"{path.stem} body {number}", name, seen) for number, seen in enumerate(found, 1)]


def _ntu_body(path: Path, text: str, name: str, seen: Mapping[int, Array]) -> Recording:
    points = np.stack(list(seen.values()))
    if (np.abs(points[np.isfinite(points)]) > _FARTHEST_M).any():
        raise FormatError(f"{path}: holds coordinates above {_FARTHEST_M:.0f} m")
    joints = empty_joints(len(points))
    for number, joint in NTU_JOINTS.items():
        joints[:, JOINT[joint]] = points[:, number]
    return Recording(text, np.array(list(seen)) / NTU_FPS, joints, whole(name))
