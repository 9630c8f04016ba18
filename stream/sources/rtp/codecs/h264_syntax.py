"""Parser for H.264 parameter sets and SEI (ITU-T H.264, 7.3); it reads only the fields used here.

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

SLICE, PARTITION_A, INTRA, SUPPLEMENT, SEQUENCE, PICTURE = 1, 2, 5, 6, 7, 8
"""NAL unit types: slice, first partition of a slice, slice of an IDR picture, SEI, SPS, PPS."""
REFERENCE = 0x60
"""Mask of nal_ref_idc in the NAL unit's header: 0 if no other picture refers to this one."""

_BASELINE, _EXTENDED_ASPECT = 66, 255
_WITH_CHROMA_FORMAT = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_INTRA_ALWAYS = 44
_INTRA_BY_CONSTRAINT_3 = frozenset((86, 100, 110, 122, 244))
_RGB = 0
_RECOVERY_POINT = 6
"""payloadType of SEI."""


def type_of(first: int) -> int:
    """Return the NAL unit type in the first byte of a header."""
    return first & 0x1F


def sequence_parameters(nal: bytes) -> tuple[int, VideoParameters]:
    """Return an SPS's number and what it describes. Raises `MalformedError`."""
    bits = BitReader(nal[1:])
    profile, constraints = bits.bits(8), bits.bits(8)
    bits.skip(8)
    number = bits.at_most(31)
    chroma, depth = 1, 8
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.at_most(3)
        if chroma == 3:
            bits.skip(1)
        depth = 8 + bits.at_most(6)
        bits.at_most(6)
        bits.skip(1)
        if bits.flag():
            for index in range(12 if chroma == 3 else 8):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.at_most(12)
    order_type = bits.at_most(2)
    if order_type == 0:
        bits.at_most(12)
    elif order_type == 1:
        bits.skip(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.at_most(255)):
            bits.signed()
    bits.unsigned()
    bits.skip(1)
    width, height = 16 * (bits.at_most(4095) + 1), 16 * (bits.at_most(4095) + 1)
    frames_only = bits.flag()
    if not frames_only:
        height *= 2
        bits.skip(1)
    bits.skip(1)
    if bits.flag():
        across = 2 if chroma in (1, 2) else 1
        down = (2 if chroma == 1 else 1) * (1 if frames_only else 2)
        width -= across * (bits.at_most(65535) + bits.at_most(65535))
        height -= down * (bits.at_most(65535) + bits.at_most(65535))
        if width <= 0 or height <= 0:
            raise MalformedError("cropped picture is empty")
    full_range, rgb, reorder = _usability(bits) if bits.flag() else (False, False, None)
    in_decoding_order = (
        order_type == 2
        or profile in (_BASELINE, _INTRA_ALWAYS)
        or (profile in _INTRA_BY_CONSTRAINT_3 and constraints & 0x10 != 0)
    )
    if reorder is None and in_decoding_order:
        reorder = 0
    shape = PictureShape(chroma, depth, full_range, rgb)
    pixels = pixel_format("h264", shape)
    video = VideoParameters("h264", width, height, pixels, reorder, frames_only)
    return number, video


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) & 0xFF
        last = following or last


def _usability(bits: BitReader) -> tuple[bool, bool, int | None]:
    """Read the VUI and return full range, RGB and the number of reordered pictures.

    Some cameras truncate it: missing fields keep their defaults.
    """
    full_range, rgb = False, False
    try:
        if bits.flag() and bits.bits(8) == _EXTENDED_ASPECT:
            bits.skip(32)
        if bits.flag():
            bits.skip(1)
        if bits.flag():
            bits.skip(3)
            full_range = bits.flag()
            if bits.flag():
                bits.skip(16)
                rgb = bits.bits(8) == _RGB
        if bits.flag():
            bits.unsigned()
            bits.unsigned()
        if bits.flag():
            bits.skip(65)
        nal_timing = bits.flag()
        if nal_timing:
            _skip_buffering(bits)
        picture_timing = bits.flag()
        if picture_timing:
            _skip_buffering(bits)
        if nal_timing or picture_timing:
            bits.skip(1)
        bits.skip(1)
        if not bits.flag():
            return full_range, rgb, None
        bits.skip(1)
        for _ in range(4):
            bits.unsigned()
        reorder = bits.unsigned()
        return full_range, rgb, reorder if reorder <= MAX_REORDERED else None
    except MalformedError:
        return full_range, rgb, None


def _skip_buffering(bits: BitReader) -> None:
    """Skip hrd_parameters()."""
    count = bits.at_most(31) + 1
    bits.skip(8)
    for _ in range(count):
        bits.unsigned()
        bits.unsigned()
        bits.skip(1)
    bits.skip(20)


def picture_parameters_number(nal: bytes) -> int:
    """Return a PPS's number. Raises `MalformedError`."""
    return BitReader(nal[1:]).at_most(255)


def is_recovery_point(nal: bytes) -> bool:
    """Return whether an SEI NAL unit contains a recovery point message."""
    at = 1
    while at + 2 < len(nal):  # the last byte ends the NAL unit
        kind, at = _extended(nal, at)
        size, at = _extended(nal, at)
        if kind == _RECOVERY_POINT:
            return True
        at += size
    return False


def _extended(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number written as any count of 255 and a last byte, and the offset of its end."""
    value = 0
    while at < len(raw) and raw[at] == 0xFF:
        value += 255
        at += 1
    return (value + raw[at], at + 1) if at < len(raw) else (value, at)
