"""VideoParameters: what a stream's parameter sets say of its pictures. Owns nothing."""

from __future__ import annotations

from typing import Literal

import msgspec

VideoCodec = Literal["h264", "h265"]
MOST_REORDERED = 16
"""Pictures that a decoder holds; a stream that asks for more is wrong."""


class VideoParameters(msgspec.Struct, frozen=True, gc=False):
    """Of one sequence parameter set."""

    codec: VideoCodec
    width: int
    """As shown: cropped."""
    height: int
    pixel_format: str
    """libav's name, such as `yuv420p`; of 8 bits and full range `yuvj420p`."""
    reorder: int | None
    """Pictures that a decoder must hold back to give them in order; None if the stream doesn't say."""
    profile: int
    """profile_idc, general_profile_idc."""
    level: int
    """level_idc, general_level_idc."""


class PictureShape(msgspec.Struct, frozen=True, gc=False):
    """How samples are laid out, for the name of the pixel format."""

    chroma: int
    """chroma_format_idc: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4."""
    depth: int
    """Bits a luma sample."""
    full_range: bool
    rgb: bool
    """The three planes are green, blue and red."""


def pixel_format(codec: VideoCodec, shape: PictureShape) -> str:
    """The name of the format that libav decodes to."""
    deep = "" if shape.depth == 8 else f"{shape.depth}le"
    chroma = shape.chroma
    if chroma == 0:
        if codec == "h265":
            return f"gray{deep}"
        chroma = 1  # its H.264 decoder fills in what has no colour
    if chroma == 3 and shape.rgb:
        return f"gbrp{deep}"
    full = "j" if shape.full_range and not deep and (codec == "h264" or chroma == 1) else ""
    return f"yuv{full}{('420', '422', '444')[chroma - 1]}p{deep}"
