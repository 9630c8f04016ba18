"""Depacketisers: collect the NAL units of the access unit that is being received, as one Annex B byte stream.

Single NAL units, aggregation packets and fragments are much alike in RFC 6184 (H.264) and RFC 7798 (H.265).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

from stream.sources.rtp.packets import UnsupportedStreamError, VideoCodec
from stream.sources.rtp.parameter_sets import (
    H264_PICTURE,
    H264_SEQUENCE,
    H265_PICTURE,
    H265_SEQUENCE,
    H265_VIDEO,
    START_CODE,
)

_SHORT_START_CODE = START_CODE[1:]

MIN_NAL_BYTES = 2
"""Shortest NAL unit that is searched for within another: H.265's header."""
MAX_IN_ONE = 64
"""NAL units searched for within one."""
MAX_AGGREGATED = 1024
"""NAL units in one packet. Each takes time, however small, and 64 KiB hold 20,000."""
MOST_BEFORE = 64
"""NAL units before the first slice of a picture. Cameras send up to ten."""
MOST_SEI_BYTES = 4096
"""Bytes of an SEI in which a recovery point is searched for."""

CONTINUED, BEGUN, BROKEN = range(3)
"""Results of a payload: it continued a NAL unit, began one or more, or cannot follow what came before."""

FORBIDDEN = 0x80
"""Bit of a NAL unit's first byte that must be 0."""
FRAGMENT_START, FRAGMENT_END = 0x80, 0x40
"""Bits of a fragment's header."""


class NalKind(IntEnum):
    """Role of a NAL unit in its access unit."""

    FIRST_SLICE = 0
    """First slice of a picture."""
    SLICE = 1
    """Further slice of a picture."""
    BEFORE = 2
    """Belongs to the next picture if slices have arrived: parameter sets, SEI, access unit delimiter."""
    AFTER = 3
    """Belongs to the picture before it, or to none."""


_SLICE = NalKind.SLICE


class Depacketiser:
    """One stream's NAL units, of the access unit that is being received."""

    _header_bytes: ClassVar[int]
    """Size of a NAL unit's header."""
    _kind_by_first_byte: ClassVar[Sequence[NalKind | None]]
    """Kind of a NAL unit that begins with this byte, without regard to which slice is the first. None if none can."""

    def __init__(self) -> None:
        self.data = bytearray()
        """NAL units, a start code before each."""
        self.nals: list[int] = []
        """Offset in `data` of each one's header."""
        self.unfinished = False
        """Whether the last one came in fragments and its last fragment is still missing."""

    def add(self, packet: memoryview, start: int, end: int) -> int:
        """Take the payload `packet[start:end]` and return `CONTINUED`, `BEGUN` or `BROKEN`.

        After `BROKEN` the content is useless. Raises `UnsupportedStreamError` for other packetisations.
        """
        raise NotImplementedError

    def kind(self, index: int) -> NalKind:
        """Return the role of a NAL unit whose beginning is known."""
        raise NotImplementedError

    def is_keyframe(self, slice_index: int) -> bool:
        """Return whether this slice belongs to an IDR or IRAP picture."""
        raise NotImplementedError

    def has_recovery_point(self, count: int) -> bool:
        """Return whether decoding may also begin at the picture in the first `count` NAL units."""
        raise NotImplementedError

    def is_disposable(self, slice_index: int, layers: int) -> bool:
        """Return whether certainly no other picture refers to this slice's picture. `layers`: temporal ones."""
        raise NotImplementedError

    def is_parameter_set(self, index: int) -> bool:
        """Return whether this NAL unit is a VPS, SPS or PPS."""
        raise NotImplementedError

    def has_all_sets(self, count: int) -> bool:
        """Return whether the first `count` NAL units contain SPS and PPS, so that no parameter set is lost."""
        raise NotImplementedError

    def nal(self, index: int) -> bytes:
        """Return a NAL unit without its start code."""
        return bytes(self.data[self.nals[index] : self.start_code(index + 1)]).rstrip(b"\0")

    def start_code(self, index: int) -> int:
        """Return the offset of a NAL unit's start code; for one beyond the last, the end of the data."""
        if index >= len(self.nals):
            return len(self.data)
        return self.nals[index] - len(START_CODE)

    def drop(self, count: int) -> None:
        """Remove the first `count` NAL units."""
        if count >= len(self.nals):
            # A new one: shrinking the old one and growing it again costs more.
            self.data = bytearray()
            self.nals = []
            self.unfinished = False
            return
        cut = self.start_code(count)
        del self.data[:cut]
        self.nals = [start - cut for start in self.nals[count:]]

    def _append(self, packet: memoryview, start: int, end: int, kind: NalKind) -> int:
        is_slice = kind is _SLICE
        if end - start <= self._header_bytes and (is_slice or end - start < self._header_bytes):
            return BROKEN
        data = self.data
        data += START_CODE
        self.nals.append(len(data))
        data += packet[start:end]
        if not is_slice:
            self._split_last()
        return BEGUN

    def _append_aggregated(self, packet: memoryview, at: int, end: int) -> int:
        """Take NAL units that have their size before each, in `packet[at:end]`."""
        if at >= end:
            return BROKEN
        most = len(self.nals) + MAX_AGGREGATED
        while at < end:
            if at + 2 > end or len(self.nals) >= most:
                return BROKEN
            size = packet[at] << 8 | packet[at + 1]
            at += 2
            if not size or at + size > end:
                return BROKEN
            kind = self._kind_by_first_byte[packet[at]]
            if kind is None or self._append(packet, at, at + size, kind) == BROKEN:
                return BROKEN
            at += size
        return BEGUN

    def _begin_fragments(self, first: int, fragment_header: int) -> bool:
        """Begin a NAL unit that comes in fragments with its first byte, and return whether it may begin here."""
        if self.unfinished or self._kind_by_first_byte[first] is None:
            return False
        data = self.data
        data += START_CODE
        self.nals.append(len(data))
        data.append(first)
        self.unfinished = not fragment_header & FRAGMENT_END
        return True

    def _end_fragments(self) -> int:
        self.unfinished = False
        count = len(self.nals)
        if self._kind_by_first_byte[self.data[self.nals[-1]]] is not _SLICE:
            self._split_last()
        return CONTINUED if len(self.nals) == count else BEGUN

    def _split_last(self) -> None:
        """Split the last NAL unit at start codes: some cameras send several NAL units as if they were one."""
        start = self.nals[-1]
        if self.data.find(_SHORT_START_CODE, start + MIN_NAL_BYTES) < 0:
            return
        header, rest = self.data[start : start + MIN_NAL_BYTES], bytes(self.data[start + MIN_NAL_BYTES :])
        pieces = [piece.rstrip(b"\0") for piece in rest.split(_SHORT_START_CODE, MAX_IN_ONE)]
        del self.data[start:]
        self.data += header + pieces[0]
        for piece in pieces[1:]:
            if len(piece) >= MIN_NAL_BYTES:
                self.data += START_CODE
                self.nals.append(len(self.data))
                self.data += piece


_STAP_A, _FU_A = 24, 28
_INTERLEAVED = frozenset((25, 26, 27, 29))
"""STAP-B, MTAP16, MTAP24, FU-B: the interleaved mode."""
_H264_TYPE, _H264_HEADER_REST = 0x1F, 0xE0
_SLICE_TYPE, _PARTITION_A, _INTRA, _SUPPLEMENT = 1, 2, 5, 6
"""NAL unit types: slice, first partition of a slice, slice of an IDR picture, SEI."""
_REFERENCE = 0x60
"""Mask of nal_ref_idc in the NAL unit's header: 0 if no other picture refers to this one."""
_RECOVERY_POINT = 6
"""payloadType of SEI."""
_FIRST_MACROBLOCK = 0x80
"""first_mb_in_slice is 0, written as a single 1."""

_H264_KINDS = [NalKind.BEFORE] * 32
for _type in (_SLICE_TYPE, _PARTITION_A, 3, 4, _INTRA):
    _H264_KINDS[_type] = NalKind.SLICE
for _type in (0, 10, 11, 12, 13, 19, *range(20, 32)):  # ends, filler, an SPS's extension, slices of other layers
    _H264_KINDS[_type] = NalKind.AFTER
_H264_KIND_BY_FIRST_BYTE = [
    _H264_KINDS[first & _H264_TYPE] if first < FORBIDDEN and 0 < first & _H264_TYPE < _STAP_A else None
    for first in range(256)
]
_WITH_FIRST_MACROBLOCK = frozenset((_SLICE_TYPE, _PARTITION_A, _INTRA))


class H264Depacketiser(Depacketiser):
    """See `Depacketiser`."""

    _header_bytes = 1
    _kind_by_first_byte = _H264_KIND_BY_FIRST_BYTE

    def add(self, packet: memoryview, start: int, end: int) -> int:
        """See `Depacketiser`."""
        indicator = packet[start]
        if indicator & (_H264_TYPE | FORBIDDEN) == _FU_A:
            if end - start < 3:
                return BROKEN
            header = packet[start + 1]
            if header & FRAGMENT_START:
                if not self._begin_fragments(indicator & _H264_HEADER_REST | header & _H264_TYPE, header):
                    return BROKEN
                self.data += packet[start + 2 : end]
                return BEGUN
            if not self.unfinished:
                return BROKEN
            self.data += packet[start + 2 : end]
            if header & FRAGMENT_END:
                return self._end_fragments()
            return CONTINUED
        if self.unfinished or indicator & FORBIDDEN:
            return BROKEN
        kind = _H264_KIND_BY_FIRST_BYTE[indicator]
        if kind is not None:
            return self._append(packet, start, end, kind)
        nal_type = indicator & _H264_TYPE
        if nal_type == _STAP_A:
            return self._append_aggregated(packet, start + 1, end)
        if nal_type in _INTERLEAVED:
            raise UnsupportedStreamError("packetisation")
        return BROKEN

    def kind(self, index: int) -> NalKind:
        """See `Depacketiser`."""
        start = self.nals[index]
        nal_type = self.data[start] & _H264_TYPE
        if (
            nal_type in _WITH_FIRST_MACROBLOCK
            and len(self.data) > start + 1
            and self.data[start + 1] & _FIRST_MACROBLOCK
        ):
            return NalKind.FIRST_SLICE
        return _H264_KINDS[nal_type]

    def is_keyframe(self, slice_index: int) -> bool:
        """See `Depacketiser`."""
        return self._type(slice_index) == _INTRA

    def has_recovery_point(self, count: int) -> bool:
        """See `Depacketiser`."""
        first = range(min(count, MOST_BEFORE))
        return any(self._type(index) == _SUPPLEMENT and _is_recovery_point(self.nal(index)) for index in first)

    def is_disposable(self, slice_index: int, layers: int) -> bool:
        """See `Depacketiser`."""
        return not self.data[self.nals[slice_index]] & _REFERENCE

    def is_parameter_set(self, index: int) -> bool:
        """See `Depacketiser`."""
        return self._type(index) in (H264_SEQUENCE, H264_PICTURE)

    def has_all_sets(self, count: int) -> bool:
        """See `Depacketiser`."""
        return {H264_SEQUENCE, H264_PICTURE} <= {self._type(index) for index in range(count)}

    def _type(self, index: int) -> int:
        return self.data[self.nals[index]] & _H264_TYPE


def _is_recovery_point(nal: bytes) -> bool:
    """Return whether an SEI NAL unit contains a recovery point message, in its first bytes."""
    at, nal = 1, nal[:MOST_SEI_BYTES]
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


_AP, _FU, _PACI = 48, 49, 50
_H265_TYPE, _H265_HEADER_REST = 0x7E, 0x81
_FU_BITS = _FU << 1
_FU_TYPE = 0x3F
_FIRST_SLICE_SEGMENT = 0x80
_FIRST_ENTRY, _LAST_ENTRY = 16, 23
"""First and last type of pictures that decoding may begin with (IRAP)."""
_LAST_PAIRED = 15
"""Up to this type, pictures of even types are not referred to within their own temporal layer."""

_H265_KINDS = [NalKind.SLICE] * 32 + [NalKind.BEFORE] * 32
for _type in (36, 37, 38, 40, 45, 46, 47, *range(56, 64)):  # ends, filler, suffix SEI
    _H265_KINDS[_type] = NalKind.AFTER
_H265_KIND_BY_FIRST_BYTE = [_H265_KINDS[first >> 1] if first >> 1 < _AP else None for first in range(256)]


class H265Depacketiser(Depacketiser):
    """See `Depacketiser`."""

    _header_bytes = 2
    _kind_by_first_byte = _H265_KIND_BY_FIRST_BYTE

    def add(self, packet: memoryview, start: int, end: int) -> int:
        """See `Depacketiser`."""
        first = packet[start]
        if first & (_H265_TYPE | FORBIDDEN) == _FU_BITS:
            if end - start < 4:
                return BROKEN
            header = packet[start + 2]
            if header & FRAGMENT_START:
                if not self._begin_fragments(first & _H265_HEADER_REST | (header & _FU_TYPE) << 1, header):
                    return BROKEN
                self.data.append(packet[start + 1])
                self.data += packet[start + 3 : end]
                return BEGUN
            if not self.unfinished:
                return BROKEN
            self.data += packet[start + 3 : end]
            if header & FRAGMENT_END:
                return self._end_fragments()
            return CONTINUED
        if self.unfinished or first & FORBIDDEN:
            return BROKEN
        kind = _H265_KIND_BY_FIRST_BYTE[first]
        if kind is not None:
            return self._append(packet, start, end, kind)
        nal_type = first >> 1
        if nal_type == _AP:
            return self._append_aggregated(packet, start + 2, end)
        if nal_type == _PACI:
            raise UnsupportedStreamError("packetisation")
        return BROKEN

    def layer(self, index: int) -> int:
        """Return nuh_layer_id: 0 in the base layer."""
        start = self.nals[index]
        return (self.data[start] & 1) << 5 | self.data[start + 1] >> 3

    def kind(self, index: int) -> NalKind:
        """See `Depacketiser`. NAL units of other layers belong to the picture before them."""
        start = self.nals[index]
        if len(self.data) < start + 2 or self.layer(index):
            return NalKind.AFTER
        kind = _H265_KINDS[self.data[start] >> 1 & _FU_TYPE]
        if kind == NalKind.SLICE and len(self.data) > start + 2 and self.data[start + 2] & _FIRST_SLICE_SEGMENT:
            return NalKind.FIRST_SLICE
        return kind

    def is_keyframe(self, slice_index: int) -> bool:
        """See `Depacketiser`."""
        return _FIRST_ENTRY <= self._type(slice_index) <= _LAST_ENTRY

    def has_recovery_point(self, count: int) -> bool:
        """See `Depacketiser`. Players do not begin at recovery points of H.265."""
        return False

    def is_disposable(self, slice_index: int, layers: int) -> bool:
        """See `Depacketiser`. Pictures of higher temporal layers may refer to it."""
        kind = self._type(slice_index)
        layer = (self.data[self.nals[slice_index] + 1] & 7) - 1
        return kind < _LAST_PAIRED and kind % 2 == 0 and layer >= layers - 1

    def is_parameter_set(self, index: int) -> bool:
        """See `Depacketiser`."""
        return H265_VIDEO <= self._type(index) <= H265_PICTURE and self.layer(index) == 0

    def has_all_sets(self, count: int) -> bool:
        """See `Depacketiser`."""
        kinds = {self._type(index) for index in range(count) if self.layer(index) == 0}
        return {H265_SEQUENCE, H265_PICTURE} <= kinds

    def _type(self, index: int) -> int:
        return self.data[self.nals[index]] >> 1 & _FU_TYPE


def depacketiser_of(codec: VideoCodec) -> Depacketiser:
    """Return an empty depacketiser for a stream of this codec."""
    return H264Depacketiser() if codec == "h264" else H265Depacketiser()
