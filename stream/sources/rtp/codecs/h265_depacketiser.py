"""H.265 in RTP payloads (RFC 7798): single NAL units, AP, FU.

Decoding order numbers (DONL, DOND) are not supported. The session's description tells whether there are any.
"""

from __future__ import annotations

from stream.sources.rtp.codecs import h265_syntax as syntax
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

_AP, _FU, _PACI = 48, 49, 50
_TYPE, _HEADER_REST = 0x7E, 0x81
_FU_BITS = _FU << 1
_FU_TYPE = 0x3F
_FIRST_SLICE_SEGMENT = 0x80

_KINDS = [NalKind.SLICE] * 32 + [NalKind.BEFORE] * 32
for _type in (36, 37, 38, 40, 45, 46, 47, *range(56, 64)):  # ends, filler, suffix SEI
    _KINDS[_type] = NalKind.AFTER
_KIND_BY_FIRST_BYTE = [_KINDS[first >> 1] if first >> 1 < _AP else None for first in range(256)]


class H265Depacketiser(Depacketiser):
    """See `Depacketiser`."""

    _header_bytes = 2
    _kind_by_first_byte = _KIND_BY_FIRST_BYTE

    def add(self, packet: memoryview, start: int, end: int) -> int:
        """See `Depacketiser`."""
        first = packet[start]
        if first & (_TYPE | FORBIDDEN) == _FU_BITS:
            if end - start < 4:
                return BROKEN
            header = packet[start + 2]
            if header & FRAGMENT_START:
                if not self._begin_fragments(first & _HEADER_REST | (header & _FU_TYPE) << 1, header):
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
        kind = _KIND_BY_FIRST_BYTE[first]
        if kind is not None:
            return self._append(packet, start, end, kind)
        nal_type = syntax.type_of(first)
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
        kind = _KINDS[syntax.type_of(self.data[start])]
        if kind == NalKind.SLICE and len(self.data) > start + 2 and self.data[start + 2] & _FIRST_SLICE_SEGMENT:
            return NalKind.FIRST_SLICE
        return kind
