"""Joint annotations of Penn Action and JHMDB, which are MATLAB files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.body import KEYPOINT, FormatError, PoseSequence, check_size, text_lines

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

    check_size(path)
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
