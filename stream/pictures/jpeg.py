"""JPEGs of a requested width from a ring's slots.

A slot is copied first, because it returns to its ring at once. Scaling and encoding (swscale and
FFmpeg's encoder, both without the interpreter's lock) can then take longer.
"""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from typing import Protocol, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from ring_buffers.frames import SlotFormat
from ring_buffers.slot_writers import COLORSPACES, FULL, LIMITED, plane_bounds, visible

WIDTHS = (160, 240, 320, 480, 640, 960, 1280, 1920)
"""Requested widths are rounded up to one of these, so that viewers can share pictures."""

QUANTISER = "4"
"""FFmpeg's scale from 2 (best) to 31. At 4, a street scene of 640x480 takes 41 kB and 2 ms."""

MAX_ENCODERS = 16
MIN_SIDE = 16
"""Minimum width and height in pixels; the encoder needs one macroblock."""


def rounded_width(wanted: int) -> int:
    """Return the width that serves a request for `wanted` pixels."""
    return next((width for width in WIDTHS if width >= wanted), WIDTHS[-1])


class Encodable(Protocol):
    """A picture that can be encoded later."""

    @property
    def format(self) -> SlotFormat:
        """Its format: planes or rgb24, with their colours."""
        ...

    @property
    def frame(self) -> av.VideoFrame:
        """Its pixels, yuv420p or rgb24."""
        ...


class SlotCopy:
    """A copy of a slot's picture, without padding. It takes 0.1 ms for 720p planes."""

    def __init__(self, format: SlotFormat, picture: np.ndarray) -> None:
        """`picture`: a slot of this format (uint8, `SlotFormat.shape`)."""
        self.format = format
        planar = format.pixels == "planes"
        width, height = format.size if planar else format.content
        self.frame = av.VideoFrame(width, height, "yuv420p" if planar else "rgb24")
        if not planar:
            visible(self.frame.planes[0], 3)[:] = picture[:height, :width]
            return
        for plane, (begin, end, width, height) in zip(self.frame.planes, plane_bounds(format.size), strict=True):
            visible(plane)[:] = picture[begin:end].reshape(height, width)


def reformatted(
    reformatter: VideoReformatter, picture: Encodable, size: tuple[int, int], to: str, matrix: Colorspace, levels: int
) -> av.VideoFrame:
    """Return the picture in this size, pixel format, colour matrix and range of levels."""
    colours, planar = picture.format.colours, picture.format.pixels == "planes"
    return reformatter.reformat(
        picture.frame,
        *size,
        to,
        src_colorspace=COLORSPACES[colours.matrix] if planar else None,
        dst_colorspace=matrix,
        interpolation=Interpolation.AREA,
        src_color_range=FULL if colours.full_range or not planar else LIMITED,
        dst_color_range=levels,
        threads=1,
    )


class JpegMaker:
    """Encodes JPEGs with one encoder per size. Not thread-safe."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._encoders: OrderedDict[tuple[int, int], VideoCodecContext] = OrderedDict()

    def make(self, copy: Encodable, width: int) -> bytes:
        """Encode the picture as JPEG, at most `width` pixels wide. It is never enlarged."""
        size = _fitted(copy.frame.width, copy.frame.height, width)
        scaled = reformatted(self._reformatter, copy, size, "yuvj420p", Colorspace.ITU601, FULL)  # as in every JPEG
        scaled.pts = None
        return b"".join(bytes(packet) for packet in self._encoder(size).encode(scaled))

    def _encoder(self, size: tuple[int, int]) -> VideoCodecContext:
        encoder = self._encoders.pop(size, None) or _new_encoder(size)
        self._encoders[size] = encoder
        while len(self._encoders) > MAX_ENCODERS:
            self._encoders.popitem(last=False)
        return encoder


def _fitted(width: int, height: int, widest: int) -> tuple[int, int]:
    """Return even sides, which 4:2:0 needs."""
    across = min(width, widest)
    down = round(height * across / width)
    return max(MIN_SIDE, across // 2 * 2), max(MIN_SIDE, down // 2 * 2)


def _new_encoder(size: tuple[int, int]) -> VideoCodecContext:
    encoder = cast(VideoCodecContext, av.CodecContext.create("mjpeg", "w"))
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"qmin": QUANTISER, "qmax": QUANTISER, "huffman": "default"}
    return encoder
