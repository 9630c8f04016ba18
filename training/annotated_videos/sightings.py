"""Sightings: all people that detector and tracker saw in one video, frame by frame, as arrays and as a file.

There is one safetensors file per video. Its metadata holds the key of the video that it was made from; a file with
another key is not read (`feature_cache`). RoI features stay in the file and are read a slice at a time.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stages.whole_file import whole_file

FORMAT = "partstream.sightings/3"
_ROI_PARTS, _ROI_OBJECTS = "roi.parts", "roi.objects"


class SightingsFileError(ValueError):
    """A file of sightings is missing, damaged or made from something else."""


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """n sightings, sorted by track and then by time. Boxes are in pixels of the video as shown.

    `track` int32 [n], from 1; `frame` int32 [n], from 0; `time_us` int64 [n] media time; `box` float32 [n, 4]; `score`
    float32 [n] of the detection; `part_boxes` float32 [n, parts, 4], `part_scores` float32 [n, parts] and `present`
    bool [n, parts]: the parts; `step` bool [n]: whether the learned stages would have made a step there. For the s
    sightings with a step, in their order: `keypoints` float32 [s, 17, 3] (x, y, score), or [s, 0, 3] if the detector
    finds none; `object_box` float32 [s, 4]: the object that the person acts on, zeros for none.
    """

    track: NDArray[np.int32]
    frame: NDArray[np.int32]
    time_us: NDArray[np.int64]
    box: NDArray[np.float32]
    score: NDArray[np.float32]
    part_boxes: NDArray[np.float32]
    part_scores: NDArray[np.float32]
    present: NDArray[np.bool_]
    step: NDArray[np.bool_]
    keypoints: NDArray[np.float32]
    object_box: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.track)

    @property
    def has_keypoints(self) -> bool:
        """Whether the detector finds keypoints."""
        return self.keypoints.shape[1] > 0

    def tracks(self) -> Iterator[slice]:
        """Yield each track's sightings, in order."""
        edges = np.flatnonzero(np.diff(self.track)) + 1
        for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(self.track)], strict=True):
            if stop > start:
                yield slice(start, stop)

    def frames(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield each frame with people, in order, and its sightings."""
        order = np.argsort(self.frame, kind="stable")
        edges = np.flatnonzero(np.diff(self.frame[order])) + 1
        for rows in np.split(order, edges) if len(order) else []:
            yield int(self.frame[rows[0]]), rows


@dataclass(frozen=True, slots=True, eq=False)
class RoiVectors:
    """RoI features of the s sightings with a step, in their order, as in `stages.heads.network.VisualInput`.

    `parts` float16 [s, parts, F], or [s, 0, F] if the network reads only objects; `objects` float16 [s, regions, F].
    """

    parts: Tensor
    objects: Tensor


def write_sightings(path: Path, key: str, seen: Sightings, roi: RoiVectors | None) -> None:
    """Write the file atomically. `key`: hash of the video. Raises OSError."""
    tensors = {
        field.name: torch.from_numpy(np.ascontiguousarray(getattr(seen, field.name)))
        for field in dataclasses.fields(seen)
    }
    if roi is not None:
        tensors |= {_ROI_PARTS: roi.parts.contiguous(), _ROI_OBJECTS: roi.objects.contiguous()}
    try:
        with whole_file(path) as unfinished:
            save_file(tensors, unfinished, {"format": FORMAT, "key": key})
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), os.fspath(path)) from None


def key_of(path: Path) -> str | None:
    """Return the key in a file of sightings; None if the file is missing, damaged or of another format."""
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):
        return None
    return metadata.get("key") if metadata.get("format") == FORMAT else None


def read_sightings(path: Path, key: str) -> Sightings:
    """Read everything except the RoI features. Raises `SightingsFileError`."""
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            if (file.metadata() or {}).get("key") != key:
                raise SightingsFileError(f"{path}: was made from another video")
            return Sightings(*(file.get_tensor(field.name) for field in dataclasses.fields(Sightings)))
    except (SafetensorError, OSError) as error:
        raise SightingsFileError(f"{path}: can't be read: {error}") from None


def read_roi(path: Path, first: int, stop: int) -> RoiVectors:
    """Read the RoI features of the steps `first` to `stop`, numbered over the file. Raises `SightingsFileError`."""
    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            return RoiVectors(*(file.get_slice(name)[first:stop] for name in (_ROI_PARTS, _ROI_OBJECTS)))
    except (SafetensorError, OSError) as error:
        raise SightingsFileError(f"{path}: can't be read: {error}") from None
