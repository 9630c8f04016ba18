"""H265Depacketiser: H.265 out of RTP payloads (RFC 7798): single NAL units, AP, FU. Pure.

Decoding order numbers (DONL, DOND) are what the session's description says or doesn't; here there are none.
"""

from __future__ import annotations

from stream.sources.rtp.codecs import h265_syntax as syntax
from stream.sources.rtp.errors import UnsupportedStreamError
from stream.sources.rtp.nal_buffer import (
    BEGUN,
    BROKEN,
    CONTINUED,
    MOST_AGGREGATED,
    START_CODE,
    NalBuffer,
    NalKind,
)

_AP, _FU, _PACI = 48, 49, 50
_TYPE, _FORBIDDEN, _HEADER_REST = 0x7E, 0x80, 0x81
_FU_BITS = _FU << 1
_START, _END, _FU_TYPE = 0x80, 0x40, 0x3F
_LAST_SLICE_TYPE = 31
_FIRST_SLICE_SEGMENT = 0x80

_KINDS = [NalKind.SLICE] * 32 + [NalKind.BEFORE] * 32
for _type in (36, 37, 38, 40, 45, 46, 47, *range(56, 64)):  # ends, filling, suffix SEI
    _KINDS[_type] = NalKind.AFTER


class H265Depacketiser(NalBuffer):
    """Fills its buffer with one payload after another, in order."""

    codec = "h265"

    def add(self, packet: memoryview, start: int, end: int) -> int:
        """See `NalBuffer`."""
        first = packet[start]
        if first & (_TYPE | _FORBIDDEN) == _FU_BITS:
            if end - start < 4:
                return BROKEN
            header = packet[start + 2]
            if header & _START:
                return self._begin_fragments(packet, start, end)
            if not self.unfinished:
                return BROKEN
            self.data += packet[start + 3 : end]
            if header & _END:
                return self._end_fragments()
            return CONTINUED
        if self.unfinished or first & _FORBIDDEN:
            return BROKEN
        kind = syntax.type_of(first)
        if kind < _AP:
            return self._append(packet, start, end, kind)
        if kind == _AP:
            return self._add_several(packet, start + 2, end)
        if kind == _PACI:
            raise UnsupportedStreamError("packetisation")
        return BROKEN

    def _append(self, packet: memoryview, start: int, end: int, kind: int) -> int:
        if end - start < (3 if kind <= _LAST_SLICE_TYPE else 2):
            return BROKEN
        self.data += START_CODE
        self.nals.append(len(self.data))
        self.data += packet[start:end]
        if kind > _LAST_SLICE_TYPE:
            self._find_more()
        return BEGUN

    def _begin_fragments(self, packet: memoryview, start: int, end: int) -> int:
        header = packet[start + 2]
        kind = header & _FU_TYPE
        if self.unfinished or kind >= _AP:
            return BROKEN
        self.data += START_CODE
        self.nals.append(len(self.data))
        self.data.append(packet[start] & _HEADER_REST | kind << 1)
        self.data.append(packet[start + 1])
        self.data += packet[start + 3 : end]
        self.unfinished = not header & _END
        return BEGUN

    def _end_fragments(self) -> int:
        self.unfinished = False
        count = len(self.nals)
        if syntax.type_of(self.data[self.nals[-1]]) > _LAST_SLICE_TYPE:
            self._find_more()
        return CONTINUED if len(self.nals) == count else BEGUN

    def _add_several(self, packet: memoryview, at: int, end: int) -> int:
        if at >= end:
            return BROKEN
        most = len(self.nals) + MOST_AGGREGATED
        while at < end:
            if at + 2 > end or len(self.nals) >= most:
                return BROKEN
            size = packet[at] << 8 | packet[at + 1]
            at += 2
            if not size or at + size > end:
                return BROKEN
            kind = syntax.type_of(packet[at])
            if packet[at] & _FORBIDDEN or kind >= _AP or self._append(packet, at, at + size, kind) == BROKEN:
                return BROKEN
            at += size
        return BEGUN

    def layer(self, index: int) -> int:
        """nuh_layer_id: 0 of the base layer."""
        start = self.nals[index]
        return (self.data[start] & 1) << 5 | self.data[start + 1] >> 3

    def kind(self, index: int) -> NalKind:
        """See `NalBuffer`. What belongs to other layers than the base goes with the picture before."""
        start = self.nals[index]
        if len(self.data) < start + 2 or self.layer(index):
            return NalKind.AFTER
        kind = _KINDS[syntax.type_of(self.data[start])]
        if kind == NalKind.SLICE and len(self.data) > start + 2 and self.data[start + 2] & _FIRST_SLICE_SEGMENT:
            return NalKind.FIRST_SLICE
        return kind
