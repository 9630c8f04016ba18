"""Recorded motion of a data folder: 3-D joints in `motion3d/`, 2-D keypoints in `pose2d/`, one `.npz` per source."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sources.terms import DataFolderError

MOTION, POSES = "motion3d", "pose2d"
UNKNOWN = -1
MIRRORED_KEYPOINTS = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
"""COCO's keypoints with left and right exchanged."""
_HIGHEST_FPS = 1000.0
_FARTHEST = 1e6
"""Largest coordinate, in metres, pixels or shares of a picture."""
_FIELDS = {
    "joints": ("f", (3,)),
    "keypoints": ("f", (3,)),
    "joint_names": ("U", (1,)),
    "keypoint_names": ("U", (1,)),
    "start": ("iu", (1,)),
    "frame_label": ("iu", (1,)),
    "frame_labels": ("U", (1,)),
    "fps": ("iuf", (0, 1)),
    "text": ("U", (1,)),
    "person": ("U", (1,)),
    "size": ("iu", (2,)),
    "unit": ("U", (0,)),
}
"""The kinds of numpy types that a field may have, and the numbers of dimensions."""


@dataclass(frozen=True, slots=True, eq=False)
class MotionClips:
    """The C clips of one source, one after another over F frames.

    `points` [F, J, 3]: metres with z up (`motion3d`), or x, y and score with y down (`pose2d`); NaN where unknown.
    `names` [J]: the joints. `start` int64 [C + 1]: clip c has the frames start[c] to start[c + 1]. `action` int64 [F]:
    index into `actions`, −1 unknown. `text` and `person` [C]: the source's own name and the person, "" if unknown.
    `fps` [C], 0 unknown. `size` [C, 2]: the picture, 0 unknown or without one. `unit`: what x and y of 2-D keypoints
    count. If it begins with "image", they are shares of the picture's width and height; else both have one unit.
    """

    source: str
    points: NDArray[np.floating[Any]]
    names: tuple[str, ...]
    start: NDArray[np.int64]
    action: NDArray[np.int64]
    actions: tuple[str, ...]
    text: Sequence[str]
    person: Sequence[str]
    fps: NDArray[np.float64]
    size: NDArray[np.int64]
    unit: str = ""

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.start) - 1

    def frames(self, clip: int) -> slice:
        """Return the frames of a clip."""
        return slice(int(self.start[clip]), int(self.start[clip + 1]))


def read_clips(folder: Path, kind: str, sources: Collection[str]) -> list[MotionClips]:
    """Return the clips of a data folder's `kind` (`MOTION` or `POSES`), of these sources only.

    Raises `DataFolderError` for a file that cannot be used.
    """
    paths = sorted((folder / kind).glob("*.npz"))
    return [read_file(path) for path in paths if path.stem in sources]


def read_file(path: Path) -> MotionClips:
    """Read one source's file. Raises `DataFolderError`."""
    try:
        if not zipfile.is_zipfile(path):
            raise DataFolderError(f"{path}: can't be read as an .npz file: it is not a zip archive; import it again")
        with np.load(path, allow_pickle=False) as data:
            fields = {name: data[name] for name in data.files if name in _FIELDS}
    except DataFolderError:
        raise
    except Exception as error:  # damaged files raise whatever zipfile, zlib and numpy stumble on
        raise DataFolderError(f"{path}: can't be read as an .npz file: {error}") from None
    joints, names = ("joints", "joint_names") if "joints" in fields else ("keypoints", "keypoint_names")
    lacking = [name for name in (joints, names, "start", "frame_label", "frame_labels", "fps") if name not in fields]
    if lacking:
        raise DataFolderError(f"{path}: lacks {', '.join(lacking)}")
    for name, value in fields.items():
        kinds, dimensions = _FIELDS[name]
        if value.dtype.kind not in kinds or value.ndim not in dimensions:
            raise DataFolderError(f"{path}: {name} has the type {value.dtype} and the shape {list(value.shape)}")
    points, start = fields[joints], fields["start"].astype(np.int64)
    label, labels = fields["frame_label"].astype(np.int64), fields["frame_labels"]
    frames, clips = len(points), len(start) - 1
    if points.ndim != 3 or points.shape[1:] != (len(fields[names]), 3):
        raise DataFolderError(f"{path}: {joints} must be [frames, {len(fields[names])}, 3], not {list(points.shape)}")
    if clips < 1 or start[0] != 0 or start[-1] != frames or (start[1:] <= start[:-1]).any():
        raise DataFolderError(f"{path}: start must rise from 0 to the number of frames, {frames}")
    if (np.abs(points) > min(_FARTHEST, float(np.finfo(points.dtype).max))).any():
        raise DataFolderError(f"{path}: {joints} holds a number that is infinite or above a million; import it again")
    if label.shape != (frames,) or label.min(initial=UNKNOWN) < UNKNOWN or label.max(initial=UNKNOWN) >= len(labels):
        raise DataFolderError(f"{path}: frame_label must have an index into frame_labels, or -1, for each frame")
    for name in ("text", "person"):
        if name in fields and fields[name].shape != (clips,):
            raise DataFolderError(f"{path}: {name} must have an entry for each of the {clips} clips")
    if fields["fps"].size not in (1, clips) or not ((fields["fps"] >= 0) & (fields["fps"] <= _HIGHEST_FPS)).all():
        raise DataFolderError(f"{path}: fps must be from 0 (unknown) to {_HIGHEST_FPS:.0f}, one for all clips or each")
    if "size" in fields and fields["size"].shape != (clips, 2):
        raise DataFolderError(f"{path}: size must have a width and a height for each of the {clips} clips")
    return MotionClips(
        source=path.stem,
        points=points,
        names=tuple(fields[names].tolist()),
        start=start,
        action=label,
        actions=tuple(labels.tolist()),
        text=fields["text"].tolist() if "text" in fields else [""] * clips,
        person=fields["person"].tolist() if "person" in fields else [""] * clips,
        fps=np.broadcast_to(fields["fps"].astype(np.float64), (clips,)),
        size=fields["size"].astype(np.int64) if "size" in fields else np.zeros((clips, 2), np.int64),
        unit=str(fields["unit"]) if "unit" in fields else "",
    )
