"""Parser for H.264 parameter sets, slice headers and SEI (ITU-T H.264, 7.3); it reads only the fields used here.

NAL units are passed with their header and without start codes.
"""

from __future__ import annotations

import msgspec

from stream.sources.rtp.codecs.bits import SLICE_HEADER_BYTES, BitReader, MalformedError
from stream.sources.rtp.codecs.sei import RECOVERY_POINT, message
from stream.sources.rtp.codecs.video_parameters import (
    MAX_REFERENCES,
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


class SequenceParameters(msgspec.Struct, frozen=True, gc=False):
    """Content of one SPS."""

    video: VideoParameters
    separate_planes: bool
    frame_number_bits: int
    gaps_allowed: bool
    """frame_num may skip numbers without loss."""
    frames_only: bool
    """No picture is a field."""


class PictureParameters(msgspec.Struct, frozen=True, gc=False):
    """Content of one PPS."""

    sequence: int
    """Number of its SPS."""


class SliceHeader(msgspec.Struct, frozen=True, gc=False):
    """The first fields of a slice header."""

    picture_parameters: int
    frame_number: int
    field: int
    """0 for a frame, 1 for a top field, 2 for a bottom field."""


def type_of(first: int) -> int:
    """Return the NAL unit type in the first byte of a header."""
    return first & 0x1F


def sequence_parameters(nal: bytes) -> tuple[int, SequenceParameters]:
    """Return an SPS's number and content. Raises `MalformedError`."""
    bits = BitReader(nal[1:])
    profile, constraints, level = bits.bits(8), bits.bits(8), bits.bits(8)
    number = bits.at_most(31)
    chroma, depth, separate_planes = 1, 8, False
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.at_most(3)
        separate_planes = chroma == 3 and bits.flag()
        depth = 8 + bits.at_most(6)
        bits.at_most(6)
        bits.skip(1)
        if bits.flag():
            for index in range(12 if chroma == 3 else 8):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    frame_number_bits = 4 + bits.at_most(12)
    order_type = bits.at_most(2)
    if order_type == 0:
        bits.at_most(12)
    elif order_type == 1:
        bits.skip(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.at_most(255)):
            bits.signed()
    references = bits.unsigned()
    gaps_allowed = bits.flag()
    width, height = 16 * (bits.at_most(4095) + 1), 16 * (bits.at_most(4095) + 1)
    frames_only = bits.flag()
    if not frames_only:
        height *= 2
        bits.skip(1)
    coded_size = width, height
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
    references = min(references, MAX_REFERENCES)
    video = VideoParameters("h264", width, height, pixels, reorder, profile, level, *coded_size, references)
    return number, SequenceParameters(video, separate_planes, frame_number_bits, gaps_allowed, frames_only)


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


def picture_parameters(nal: bytes) -> tuple[int, PictureParameters]:
    """Return a PPS's number and content. Raises `MalformedError`."""
    bits = BitReader(nal[1:])
    return bits.at_most(255), PictureParameters(bits.at_most(31))


def picture_parameters_of(nal: bytes) -> int:
    """Return the number of the PPS that a slice refers to. Raises `MalformedError`."""
    bits = BitReader(nal[1:SLICE_HEADER_BYTES])
    bits.unsigned()
    bits.unsigned()
    return bits.at_most(255)


def slice_header(nal: bytes, sequence: SequenceParameters) -> SliceHeader:
    """Return the header of a slice that uses this SPS. Raises `MalformedError`."""
    bits = BitReader(nal[1:SLICE_HEADER_BYTES])
    bits.unsigned()
    bits.unsigned()
    number = bits.at_most(255)
    if sequence.separate_planes:
        bits.skip(2)
    frame_number = bits.bits(sequence.frame_number_bits)
    field = 0
    if not sequence.frames_only and bits.flag():
        field = 2 if bits.flag() else 1
    return SliceHeader(number, frame_number, field)


def recovery_frame_count(nal: bytes) -> int | None:
    """Return recovery_frame_cnt of the recovery point in an SEI NAL unit, or None if it has none."""
    payload = message(nal[1:], RECOVERY_POINT)
    if payload is None:
        return None
    try:
        return BitReader(payload).at_most(65535)
    except MalformedError:
        return None
