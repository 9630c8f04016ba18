"""VideoParameters: properties of a stream's pictures, from its parameter sets."""

from __future__ import annotations

from typing import Literal

import msgspec

VideoCodec = Literal["h264", "h265"]
MAX_REORDERED = 16
"""Most pictures that a decoder may hold for reordering; larger numbers are invalid."""


class VideoParameters(msgspec.Struct, frozen=True, gc=False):
    """Properties of the pictures of one sequence parameter set."""

    codec: VideoCodec
    width: int
    """After cropping."""
    height: int
    pixel_format: str
    """FFmpeg's name, such as `yuv420p`, or `yuvj420p` for 8 bits and full range."""
    reorder: int | None
    """Pictures that a decoder must hold back to output them in order; None if the stream does not specify it."""
    frames_only: bool = True
    """No picture is a field."""
    layers: int = 1
    """Number of temporal layers, of H.265."""


class PictureShape(msgspec.Struct, frozen=True, gc=False):
    """Sample layout, which determines the pixel format."""

    chroma: int
    """chroma_format_idc: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4."""
    depth: int
    """Bits per luma sample."""
    full_range: bool = False
    """Not read for H.265, whose decoder finds it itself."""
    rgb: bool = False
    """The three planes are green, blue and red."""


def pixel_format(codec: VideoCodec, shape: PictureShape) -> str:
    """Return FFmpeg's name of the pixel format that it decodes to."""
    deep = "" if shape.depth == 8 else f"{shape.depth}le"
    chroma = shape.chroma
    if chroma == 0:
        if codec == "h265":
            return f"gray{deep}"
        chroma = 1  # FFmpeg's H.264 decoder adds neutral chroma to grey pictures
    if chroma == 3 and shape.rgb:
        return f"gbrp{deep}"
    full = "j" if shape.full_range and not deep and (codec == "h264" or chroma == 1) else ""
    return f"yuv{full}{('420', '422', '444')[chroma - 1]}p{deep}"
