"""Annotated frames of a video as scaled pictures.

Every reading decodes the video again, because the frames of a data set do not fit into memory. They are decoded, turned
and scaled by the code that feeds a model (`training.video`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import Lease, SlotFormat
from training.kinetics_tps import AnnotatedFrame, Video
from training.video.frames import read_frames


def scaled_frames(
    video: Video, indices: Sequence[int], short_side: int
) -> Iterator[tuple[Lease, AnnotatedFrame, NDArray[np.float32]]]:
    """Yield the annotated frames with these indices, in order, their shorter side scaled to `short_side`.

    Each comes with its annotation and the factors from the video's pixels to the picture's: float32 `[2]`, across and
    down. Raises `training.video.frames.VideoReadError`.
    """
    by_index = {frame.index: frame for frame in video.frames if frame.index in set(indices)}
    for lease in read_frames(video.path, lambda size: _format(size, short_side), [index - 1 for index in by_index]):
        scale = np.array(lease.meta.format.content, np.float32) / np.array(lease.meta.size, np.float32)
        yield lease, by_index[lease.meta.frame + 1], scale


def scaled_boxes(boxes: Sequence[Sequence[float]], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an annotation's boxes in pixels of the scaled picture: float32 `[n, 4]`."""
    scaled = np.array(boxes, np.float32).reshape(-1, 4)
    scaled[:, 2:] += 1  # An annotated box includes its last pixel.
    return scaled * np.tile(scale, 2)


def _format(source: tuple[int, int], short_side: int) -> SlotFormat:
    scale = short_side / min(source)
    width, height = (max(short_side, round(side * scale)) for side in source)
    return SlotFormat("rgb24", (width, height), (width, height))
