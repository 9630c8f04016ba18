"""Parser for H.265 parameter sets (ITU-T H.265, 7.3); it reads only the fields used here.

NAL units are passed with their header and without start codes.
"""

from __future__ import annotations

from stream.sources.rtp.codecs.bits import BitReader, MalformedError
from stream.sources.rtp.codecs.video_parameters import (
    MAX_REORDERED,
    PictureShape,
    VideoParameters,
    pixel_format,
)

VIDEO, SEQUENCE, PICTURE = 32, 33, 34
"""NAL unit types: VPS, SPS, PPS."""
FIRST_ENTRY, LAST_ENTRY = 16, 23
"""First and last type of pictures that decoding may begin with (IRAP)."""
LAST_PAIRED = 15
"""Up to this type, pictures of even types are not referred to within their own temporal layer."""


def type_of(first: int) -> int:
    """Return the NAL unit type in the first byte of a header."""
    return first >> 1 & 0x3F


def sequence_parameters(nal: bytes) -> tuple[int, VideoParameters]:
    """Return an SPS's number and what it describes. Raises `MalformedError`."""
    bits = BitReader(nal[2:])
    bits.skip(4)
    sub_layers = bits.bits(3)
    bits.skip(1)
    _skip_profile_and_level(bits, sub_layers)
    number = bits.at_most(15)
    chroma = bits.at_most(3)
    if chroma == 3:
        bits.skip(1)
    width, height = bits.at_most(65535), bits.at_most(65535)
    if bits.flag():
        across, down = 2 if chroma in (1, 2) else 1, 2 if chroma == 1 else 1
        width -= across * (bits.at_most(65535) + bits.at_most(65535))
        height -= down * (bits.at_most(65535) + bits.at_most(65535))
    if width <= 0 or height <= 0:
        raise MalformedError("cropped picture is empty")
    depth = 8 + bits.at_most(8)
    bits.at_most(8)
    bits.at_most(12)
    reorder = 0
    for _ in range(sub_layers + 1 if bits.flag() else 1):
        bits.unsigned()
        reorder = bits.unsigned()
        bits.unsigned()
    video = VideoParameters(
        "h265",
        width,
        height,
        pixel_format("h265", PictureShape(chroma, depth)),
        reorder if reorder <= MAX_REORDERED else None,
        layers=sub_layers + 1,
    )
    return number, video


def _skip_profile_and_level(bits: BitReader, sub_layers: int) -> None:
    """Skip profile_tier_level()."""
    bits.skip(96)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    if sub_layers:
        bits.skip(2 * (8 - sub_layers))
    for of_profile, of_level in present:
        bits.skip(88 * of_profile + 8 * of_level)


def picture_parameters_number(nal: bytes) -> int:
    """Return a PPS's number. Raises `MalformedError`."""
    return BitReader(nal[2:]).at_most(63)
