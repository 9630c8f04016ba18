"""Conversion of slots to RGB pictures for the detector, on the host: whole pictures, and parts of them.

swscale converts them as in a camera's thread (`ring_buffers.slot_writers.RgbWriter`), so a whole picture is the same
wherever it is made. From 720p to 768x432 it takes 1.8 ms, where matrix products (`stages.device.plane_pictures`) take a
CPU 31 ms; a region takes 0.2 to 0.6 ms.
"""

from __future__ import annotations

from functools import lru_cache

import av
import numpy as np

from ring_buffers.frames import Colours, SlotFormat
from ring_buffers.slot_writers import COLORSPACES, FULL, LIMITED, RgbWriter, plane_bounds, visible

Cut = tuple[int, int, int, int]
"""Left, top, width and height of a part of a picture, in its pixels; left and top are even."""

WRITERS_KEPT = 128
"""Pairs of sizes whose preparations are kept: one per scale, width and height of a region, about 10 kB each."""


def whole_picture(planes: np.ndarray, format: SlotFormat) -> np.ndarray:
    """Convert a slot of planes to the detector's picture: uint8 `[H, W, 3]` RGB of `format.target`.

    Raises `ValueError` for a format without a target picture.
    """
    if format.target is None:
        raise ValueError("the format of these planes has no target picture: it is for a model that reads no pictures")
    frame = _cut(planes, format.size, (0, 0, *format.size), format.colours)
    return _written(frame, format.target, format.content)


def cut_picture(
    slot: np.ndarray, format: SlotFormat, cut: Cut, size: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Convert a part of a slot to uint8 `[H, W, 3]` RGB of `shape` (width, height): scaled to `size`, top left."""
    if format.pixels == "rgb24":
        left, top, width, height = cut
        part = np.ascontiguousarray(slot[top : top + height, left : left + width])
        return _written(av.VideoFrame.from_ndarray(part, "rgb24"), shape, size)
    return _written(_cut(slot, format.size, cut, format.colours), shape, size)


def _written(frame: av.VideoFrame, size: tuple[int, int], content: tuple[int, int]) -> np.ndarray:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    _writer(frame.width, frame.height, size, content).write(frame, picture)
    return picture


@lru_cache(WRITERS_KEPT)
def _writer(width: int, height: int, size: tuple[int, int], content: tuple[int, int]) -> RgbWriter:
    """Return a writer of its own for each source size: it keeps swscale's preparations."""
    return RgbWriter(SlotFormat("rgb24", size, content))


def _cut(planes: np.ndarray, size: tuple[int, int], cut: Cut, colours: Colours) -> av.VideoFrame:
    """Return a part of a slot's picture of `size` as a decoded frame."""
    left, top, width, height = cut
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.colorspace = COLORSPACES[colours.matrix]
    frame.color_range = FULL if colours.full_range else LIMITED
    for step, plane, (begin, end, across, down) in zip((1, 2, 2), frame.planes, plane_bounds(size), strict=True):
        source = planes[begin:end].reshape(down, across)
        x, y = left // step, top // step
        visible(plane)[:] = source[y : y + plane.height, x : x + plane.width]
    return frame
