"""H.264 in RTP payloads (RFC 6184): single NAL units, STAP-A, FU-A."""

from __future__ import annotations

from stream.sources.rtp.codecs import h264_syntax as syntax
from stream.sources.rtp.codecs.depacketiser import (
    BEGUN,
    BROKEN,
    CONTINUED,
    FORBIDDEN,
    FRAGMENT_END,
    FRAGMENT_START,
    Depacketiser,
    NalKind,
)
from stream.sources.rtp.errors import UnsupportedStreamError

_STAP_A, _FU_A = 24, 28
_INTERLEAVED = frozenset((25, 26, 27, 29))
"""STAP-B, MTAP16, MTAP24, FU-B: the interleaved mode."""
_TYPE, _HEADER_REST = 0x1F, 0xE0
_FIRST_MACROBLOCK = 0x80
"""first_mb_in_slice is 0, written as a single 1."""

_KINDS = [NalKind.BEFORE] * 32
for _type in (syntax.SLICE, syntax.PARTITION_A, 3, 4, syntax.INTRA):
    _KINDS[_type] = NalKind.SLICE
for _type in (0, 10, 11, 12, 13, 19, *range(20, 32)):  # ends, filler, an SPS's extension, slices of other layers
    _KINDS[_type] = NalKind.AFTER
_KIND_BY_FIRST_BYTE = [
    _KINDS[first & _TYPE] if first < FORBIDDEN and 0 < first & _TYPE < _STAP_A else None for first in range(256)
]
_WITH_FIRST_MACROBLOCK = frozenset((syntax.SLICE, syntax.PARTITION_A, syntax.INTRA))


class H264Depacketiser(Depacketiser):
    """See `Depacketiser`."""

    _header_bytes = 1
    _kind_by_first_byte = _KIND_BY_FIRST_BYTE

    def add(self, packet: memoryview, start: int, end: int) -> int:
        """See `Depacketiser`."""
        indicator = packet[start]
        if indicator & (_TYPE | FORBIDDEN) == _FU_A:
            if end - start < 3:
                return BROKEN
            header = packet[start + 1]
            if header & FRAGMENT_START:
                if not self._begin_fragments(indicator & _HEADER_REST | header & _TYPE, header):
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
        kind = _KIND_BY_FIRST_BYTE[indicator]
        if kind is not None:
            return self._append(packet, start, end, kind)
        nal_type = indicator & _TYPE
        if nal_type == _STAP_A:
            return self._append_aggregated(packet, start + 1, end)
        if nal_type in _INTERLEAVED:
            raise UnsupportedStreamError("packetisation")
        return BROKEN

    def kind(self, index: int) -> NalKind:
        """See `Depacketiser`."""
        start = self.nals[index]
        nal_type = self.data[start] & _TYPE
        if (
            nal_type in _WITH_FIRST_MACROBLOCK
            and len(self.data) > start + 1
            and self.data[start + 1] & _FIRST_MACROBLOCK
        ):
            return NalKind.FIRST_SLICE
        return _KINDS[nal_type]
