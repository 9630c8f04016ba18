"""Readers of single data sets' files: UTKinect-Action3D's text files, and Penn Action's and JHMDB's MATLAB files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.body import (
    JOINT,
    KEYPOINT,
    FormatError,
    PoseSequence,
    Recording,
    Span,
    check_file,
    empty_joints,
    numbers,
    text_lines,
)

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


PENN_JOINTS = (
    "nose", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_hip", "r_hip", "l_knee",
    "r_knee", "l_ankle", "r_ankle",
)  # fmt: skip
"""The columns of Penn Action; its head is kept as the nose. Its left and right are the viewer's, see `read_penn`."""
JHMDB_JOINTS = (
    "", "", "nose", "r_shoulder", "l_shoulder", "r_hip", "l_hip", "r_elbow", "l_elbow", "r_knee", "l_knee", "r_wrist",
    "l_wrist", "r_ankle", "l_ankle",
)  # fmt: skip
"""The rows of JHMDB; its face is kept as the nose, neck and belly are not used."""
JHMDB_SIZE = (320, 240)
WORLD_UNIT = "jhmdb_pos_world: ((x/W-0.5)*W/H/scale, (y/H-0.5)/scale)"


def read_penn(path: Path) -> PoseSequence:
    """Read one of Penn Action's `labels/0001.mat`. Raises `FormatError`.

    Left and right are exchanged: in the files they follow the viewer, not the person. Points at (1, 1) were never set.
    The score is the visibility, 0 or 1.
    """
    content = _read(path, ("x", "y", "visibility", "action", "dimensions", "pose", "train"))
    x, y = _numbers(path, content, "x"), _numbers(path, content, "y")
    seen = _numbers(path, content, "visibility") if "visibility" in content else np.ones_like(x)
    if not (x.ndim == 2 and len(x) and x.shape[1:] == (13,) and x.shape == y.shape == seen.shape):
        raise FormatError(f"{path}: x, y and visibility must be [frames, 13], not {x.shape}, {y.shape}, {seen.shape}")
    keypoints = _no_keypoints(len(x))
    missing = ((x == 1) & (y == 1)) | ~np.isfinite(x) | ~np.isfinite(y)
    for number, name in enumerate(PENN_JOINTS):
        own = {"l": "r", "r": "l"}.get(name[0], "") + name[1:] if name[1] == "_" else name
        points = np.stack([x[:, number], y[:, number], np.clip(np.nan_to_num(seen[:, number]), 0, 1)], -1)
        points[missing[:, number]] = (np.nan, np.nan, 0)
        keypoints[:, KEYPOINT[own]] = points
    name = _text(content, "action") or path.parent.name
    height_width = _numbers(path, content, "dimensions").ravel()[:2] if "dimensions" in content else np.zeros(0)
    size = (int(height_width[1]), int(height_width[0])) if len(height_width) == 2 else (0, 0)
    view, train = _text(content, "pose"), content.get("train")
    role = f" train={train.item():.0f}" if isinstance(train, np.ndarray) and train.size == 1 else ""
    return PoseSequence(f"{name} {path.stem}{f' view={view}' if view else ''}{role}", keypoints, name, size=size)


def read_jhmdb(path: Path) -> PoseSequence:
    """Read one of JHMDB's `joint_positions/<class>/<clip>/joint_positions.mat`. Raises `FormatError`.

    `pos_img` (pixels, from 1) is taken where it exists, else `pos_world`. The score is 1: hidden joints are annotated
    too. The text names the official divisions, if `splits/` lies beside `joint_positions/`.
    """
    content = _read(path, ("pos_img", "pos_world"))
    field = "pos_img" if "pos_img" in content else "pos_world"
    positions = _numbers(path, content, field)
    if positions.ndim == 2:  # MATLAB drops the last dimension of one frame
        positions = positions[..., None]
    if positions.ndim != 3 or positions.shape[:2] != (2, len(JHMDB_JOINTS)) or not positions.size:
        raise FormatError(f"{path}: {field} must be [2, 15, frames], not {positions.shape}")
    keypoints = _no_keypoints(positions.shape[2])
    image = field == "pos_img"
    for number, name in enumerate(JHMDB_JOINTS):
        if name:
            points = np.ones((len(keypoints), 3))
            points[:, :2] = positions[:, number].T - (1.0 if image else 0.0)
            points[~np.isfinite(points[:, :2]).all(1)] = (np.nan, np.nan, 0)
            keypoints[:, KEYPOINT[name]] = points
    clip, name = path.parent.name, path.parent.parent.name
    divisions = "".join(f" {division}" for division in _divisions(path, name, clip))
    unit, size = ("pixel", JHMDB_SIZE) if image else (WORLD_UNIT, (0, 0))
    return PoseSequence(f"{name}{divisions} {clip}", keypoints, name, unit, size)


def _divisions(path: Path, name: str, clip: str) -> list[str]:
    """Return `split1/train` and so on, of the files `splits/<class>_test_split1.txt` with lines `clip.avi 1`."""
    found: list[str] = []
    for number in (1, 2, 3):
        listed = path.parent.parent.parent.parent / "splits" / f"{name}_test_split{number}.txt"
        if listed.is_file():
            lines = (text.split() for _, text in text_lines(listed))
            roles = {words[0].removesuffix(".avi"): words[-1] for words in lines}
            role = {"1": "train", "2": "test"}.get(roles.get(clip, ""))
            found += [f"split{number}/{role}"] if role else []
    return found


def _read(path: Path, names: tuple[str, ...]) -> Mapping[str, Any]:
    from scipy.io import loadmat

    check_file(path)
    try:
        return loadmat(path, variable_names=names)
    except NotImplementedError:
        raise FormatError(f"{path}: is a MATLAB 7.3 file; save it with `save -v7`") from None
    except Exception as error:  # damaged files raise errors of any kind
        raise FormatError(f"{path}: can't be read as a MATLAB file of version 5 to 7.2: {error}") from None


def _numbers(path: Path, content: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(content[name], np.float64)
    except (KeyError, ValueError, TypeError):
        raise FormatError(f"{path}: holds no numbers named {name}") from None


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return "" if value is None or value.dtype.kind != "U" or value.size != 1 else str(value.item()).strip()


def _no_keypoints(frames: int) -> NDArray[np.float32]:
    keypoints = np.full((frames, len(KEYPOINT), 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    return keypoints
