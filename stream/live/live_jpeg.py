"""From a ring's slot to a JPEG of the width that is asked for. No threads and no sockets.

The slot is copied first, into memory that is used again, because it goes back to its ring at once; scaling and encoding
(swscale and libav's encoder, both without the interpreter's lock) may then take their time.
"""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from ring_buffers.frames import SlotFormat
from ring_buffers.slot_writers import COLORSPACES, FULL, LIMITED, plane_bounds, visible

WIDTHS = (160, 240, 320, 480, 640, 960, 1280, 1920)
"""Widths asked for are rounded up to one of these, so that many who watch share a picture."""

QUANTISER = "4"
"""libav's scale, 2 (large) to 31 (coarse). At 4 a street scene of 640x480 takes 41 kB and 2 ms."""

ENCODERS_KEPT = 16
SMALLEST = 16
"""Pixels of a side, and of what a picture is rounded down to in memory: no encoder takes less than one."""


def rounded_width(wanted: int) -> int:
    """The width that is made for one who wants `wanted`."""
    return next((width for width in WIDTHS if width >= wanted), WIDTHS[-1])


class SlotCopy:
    """The picture of one slot, without what fills the slot up. `fill` may be called again and again."""

    def __init__(self, format: SlotFormat) -> None:
        self.format = format
        self._planar = format.pixels == "planes"
        width, height = format.size if self._planar else format.content
        self.frame = av.VideoFrame(width, height, "yuv420p" if self._planar else "rgb24")

    def fill(self, picture: np.ndarray) -> None:
        """Copy a slot of this format (uint8, `SlotFormat.shape`): 0.1 ms for 720p planes."""
        if not self._planar:
            width, height = self.format.content
            visible(self.frame.planes[0], 3)[:] = picture[:height, :width]
            return
        for plane, (begin, end, width, height) in zip(self.frame.planes, plane_bounds(self.format.size), strict=True):
            visible(plane)[:] = picture[begin:end].reshape(height, width)


class JpegMaker:
    """Makes JPEGs; keeps an encoder for each of the sizes last made. One thread's at a time."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._encoders: OrderedDict[tuple[int, int], VideoCodecContext] = OrderedDict()

    def make(self, copy: SlotCopy, width: int) -> bytes:
        """The picture as JPEG, at most `width` pixels wide, never larger than it is."""
        size = _fitted(copy.frame.width, copy.frame.height, width)
        colours = copy.format.colours
        planar = copy.format.pixels == "planes"
        scaled = self._reformatter.reformat(
            copy.frame,
            *size,
            "yuvj420p",
            src_colorspace=COLORSPACES[colours.matrix] if planar else None,
            dst_colorspace=Colorspace.ITU601,  # what JPEG means by its numbers
            interpolation=Interpolation.AREA,
            src_color_range=FULL if colours.full_range or not planar else LIMITED,
            dst_color_range=FULL,
            threads=1,
        )
        scaled.pts = None
        return b"".join(bytes(packet) for packet in self._encoder(size).encode(scaled))

    def _encoder(self, size: tuple[int, int]) -> VideoCodecContext:
        encoder = self._encoders.pop(size, None) or _new_encoder(size)
        self._encoders[size] = encoder
        while len(self._encoders) > ENCODERS_KEPT:
            self._encoders.popitem(last=False)
        return encoder


def _fitted(width: int, height: int, widest: int) -> tuple[int, int]:
    """Even sides, as colours at half the size want them."""
    across = min(width, widest)
    down = round(height * across / width)
    return max(SMALLEST, across // 2 * 2), max(SMALLEST, down // 2 * 2)


def _new_encoder(size: tuple[int, int]) -> VideoCodecContext:
    encoder = cast(VideoCodecContext, av.CodecContext.create("mjpeg", "w"))
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"qmin": QUANTISER, "qmax": QUANTISER, "huffman": "default"}
    return encoder
