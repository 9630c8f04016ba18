"""Parser for H.265 parameter sets, slice headers and SEI (ITU-T H.265, 7.3); it reads only the fields used here.

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

VIDEO, SEQUENCE, PICTURE, SUPPLEMENT = 32, 33, 34, 39
"""NAL unit types: VPS, SPS, PPS, prefix SEI."""
RADL_N, RADL_R, RASL_N, RASL_R = 6, 7, 8, 9
FIRST_ENTRY, LAST_ENTRY, IDR_W_RADL, IDR_N_LP = 16, 23, 19, 20
"""First and last type of pictures that decoding may begin with (IRAP), and the two IDR types among them."""
LAST_BROKEN_LINK = 18
"""Types 16 to 18 are BLA."""
LAST_PAIRED = 15
"""Up to this type, pictures of even types are not referred to within their own temporal layer."""

_EXTENDED_ASPECT = 255
_RGB = 0


class SequenceParameters(msgspec.Struct, frozen=True, gc=False):
    """Content of one SPS."""

    video: VideoParameters
    video_set: int
    """Number of its VPS."""
    separate_planes: bool
    order_bits: int
    """Bits of slice_pic_order_cnt_lsb."""
    layers: int
    """Number of temporal layers."""


class PictureParameters(msgspec.Struct, frozen=True, gc=False):
    """Content of one PPS."""

    sequence: int
    """Number of its SPS."""
    output_flag: bool
    extra_bits: int


class SliceHeader(msgspec.Struct, frozen=True, gc=False):
    """The first fields of the header of a picture's first slice."""

    picture_parameters: int
    order_lsb: int
    """0 for an IDR picture."""


def type_of(first: int) -> int:
    """Return the NAL unit type in the first byte of a header."""
    return first >> 1 & 0x3F


def sequence_parameters(nal: bytes) -> tuple[int, SequenceParameters]:
    """Return an SPS's number and content. Raises `MalformedError`."""
    bits = BitReader(nal[2:])
    video_set = bits.bits(4)
    sub_layers = bits.bits(3)
    bits.skip(1)
    profile, level = _profile_and_level(bits, sub_layers)
    number = bits.at_most(15)
    chroma = bits.at_most(3)
    separate_planes = chroma == 3 and bits.flag()
    width, height = coded_size = bits.at_most(65535), bits.at_most(65535)
    if bits.flag():
        across, down = 2 if chroma in (1, 2) else 1, 2 if chroma == 1 else 1
        width -= across * (bits.at_most(65535) + bits.at_most(65535))
        height -= down * (bits.at_most(65535) + bits.at_most(65535))
    if width <= 0 or height <= 0:
        raise MalformedError("cropped picture is empty")
    depth = 8 + bits.at_most(8)
    bits.at_most(8)
    order_bits = 4 + bits.at_most(12)
    held = reorder = 0
    for _ in range(sub_layers + 1 if bits.flag() else 1):
        held = bits.unsigned()
        reorder = bits.unsigned()
        bits.unsigned()
    full_range, rgb = _colours(bits, order_bits)
    shape = PictureShape(chroma, depth, full_range, rgb)
    video = VideoParameters(
        "h265",
        width,
        height,
        pixel_format("h265", shape),
        reorder if reorder <= MAX_REORDERED else None,
        profile,
        level,
        *coded_size,
        min(held, MAX_REFERENCES),
    )
    return number, SequenceParameters(video, video_set, separate_planes, order_bits, sub_layers + 1)


def _profile_and_level(bits: BitReader, sub_layers: int) -> tuple[int, int]:
    """Read profile_tier_level() and return profile and level."""
    bits.skip(3)
    profile = bits.bits(5)
    bits.skip(80)
    level = bits.bits(8)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    if sub_layers:
        bits.skip(2 * (8 - sub_layers))
    for of_profile, of_level in present:
        bits.skip(88 * of_profile + 8 * of_level)
    return profile, level


def _colours(bits: BitReader, order_bits: int) -> tuple[bool, bool]:
    """Read from the block sizes to the VUI and return full range and RGB; both are False if this is malformed."""
    full_range, rgb = False, False
    try:
        for _ in range(6):
            bits.unsigned()
        if bits.flag() and bits.flag():
            _skip_scaling_lists(bits)
        bits.skip(2)
        if bits.flag():
            bits.skip(8)
            bits.unsigned()
            bits.unsigned()
            bits.skip(1)
        _skip_reference_sets(bits)
        if bits.flag():
            for _ in range(bits.at_most(32)):
                bits.skip(order_bits + 1)
        bits.skip(2)
        if bits.flag():
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
    except MalformedError:
        pass
    return full_range, rgb


def _skip_scaling_lists(bits: BitReader) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.flag():
                bits.unsigned()
                continue
            if size > 1:
                bits.signed()
            for _ in range(min(64, 1 << 4 + 2 * size)):
                bits.signed()


def _skip_reference_sets(bits: BitReader) -> None:
    """Skip all st_ref_pic_set(). The length of one may depend on the pictures of the one before."""
    before: list[int] = []
    for index in range(bits.at_most(64)):
        if index and bits.flag():
            away = -1 if bits.flag() else 1
            step = away * (bits.at_most(32767) + 1)
            # A picture is kept if used_by_curr_pic_flag is set, or else if use_delta_flag is.
            kept = [picture + step for picture in (*before, 0) if bits.flag() or bits.flag()]
            before = sorted((picture for picture in kept if picture < 0), reverse=True)
            before += sorted(picture for picture in kept if picture > 0)
            continue
        earlier, later = bits.at_most(16), bits.at_most(16)
        before = [*_distances(bits, earlier, -1), *_distances(bits, later, 1)]


def _distances(bits: BitReader, count: int, sign: int) -> list[int]:
    distances: list[int] = []
    at = 0
    for _ in range(count):
        at += sign * (bits.at_most(32767) + 1)
        bits.skip(1)
        distances.append(at)
    return distances


def picture_parameters(nal: bytes) -> tuple[int, PictureParameters]:
    """Return a PPS's number and content. Raises `MalformedError`."""
    bits = BitReader(nal[2:])
    number, sequence = bits.at_most(63), bits.at_most(15)
    bits.skip(1)
    return number, PictureParameters(sequence, bits.flag(), bits.bits(3))


def picture_parameters_of(nal: bytes) -> int:
    """Return the number of the PPS that a slice refers to. Raises `MalformedError`."""
    return _begin_slice(nal)[1]


def _begin_slice(nal: bytes) -> tuple[BitReader, int]:
    bits = BitReader(nal[2:SLICE_HEADER_BYTES])
    bits.skip(1)
    if FIRST_ENTRY <= type_of(nal[0]) <= LAST_ENTRY:
        bits.skip(1)
    return bits, bits.at_most(63)


def slice_header(nal: bytes, picture: PictureParameters, sequence: SequenceParameters) -> SliceHeader:
    """Return the header of a picture's first slice, which uses this PPS and SPS. Raises `MalformedError`."""
    bits, number = _begin_slice(nal)
    if type_of(nal[0]) in (IDR_W_RADL, IDR_N_LP):
        return SliceHeader(number, 0)
    bits.skip(picture.extra_bits)
    bits.unsigned()
    bits.skip(picture.output_flag + 2 * sequence.separate_planes)
    return SliceHeader(number, bits.bits(sequence.order_bits))


def recovery_order_count(nal: bytes) -> int | None:
    """Return recovery_poc_cnt of the recovery point in an SEI NAL unit, or None if it has none."""
    payload = message(nal[2:], RECOVERY_POINT)
    if payload is None:
        return None
    try:
        return BitReader(payload).signed()
    except MalformedError:
        return None
