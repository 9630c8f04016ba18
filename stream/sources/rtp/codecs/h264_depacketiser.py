"""H264Depacketiser: H.264 out of RTP payloads (RFC 6184): single NAL units, STAP-A, FU-A. Pure."""

from __future__ import annotations

from stream.sources.rtp.codecs import h264_syntax as syntax
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

_STAP_A, _FU_A = 24, 28
_UNSUPPORTED = frozenset((25, 26, 27, 29))
"""STAP-B, MTAP16, MTAP24, FU-B: the interleaved mode."""
_LARGEST_SINGLE = 23
_TYPE, _FORBIDDEN, _HEADER_REST = 0x1F, 0x80, 0xE0
_START, _END = 0x80, 0x40
_FIRST_MACROBLOCK = 0x80
"""first_mb_in_slice is 0, written as a single 1."""

_KINDS = [NalKind.BEFORE] * 32
for _type in (syntax.SLICE, syntax.PARTITION_A, 3, 4, syntax.INTRA):
    _KINDS[_type] = NalKind.SLICE
for _type in (0, 10, 11, 12, 13, 19, *range(20, 32)):  # ends, filling, an SPS's extension, slices of other layers
    _KINDS[_type] = NalKind.AFTER
_WITH_FIRST_MACROBLOCK = frozenset((syntax.SLICE, syntax.PARTITION_A, syntax.INTRA))


class H264Depacketiser(NalBuffer):
    """Fills its buffer with one payload after another, in order."""

    codec = "h264"

    def add(self, packet: memoryview, start: int, end: int) -> int:
        """See `NalBuffer`."""
        indicator = packet[start]
        if indicator & (_TYPE | _FORBIDDEN) == _FU_A:
            if end - start < 3:
                return BROKEN
            header = packet[start + 1]
            if header & _START:
                return self._begin_fragments(packet, start, end)
            if not self.unfinished:
                return BROKEN
            self.data += packet[start + 2 : end]
            if header & _END:
                return self._end_fragments()
            return CONTINUED
        if self.unfinished or indicator & _FORBIDDEN:
            return BROKEN
        kind = indicator & _TYPE
        if 0 < kind <= _LARGEST_SINGLE:
            return self._append(packet, start, end, kind)
        if kind == _STAP_A:
            return self._add_several(packet, start + 1, end)
        if kind in _UNSUPPORTED:
            raise UnsupportedStreamError("packetisation")
        return BROKEN

    def _append(self, packet: memoryview, start: int, end: int, kind: int) -> int:
        if end - start < 2 and _KINDS[kind] == NalKind.SLICE:
            return BROKEN
        self.data += START_CODE
        self.nals.append(len(self.data))
        self.data += packet[start:end]
        if _KINDS[kind] != NalKind.SLICE:
            self._find_more()
        return BEGUN

    def _begin_fragments(self, packet: memoryview, start: int, end: int) -> int:
        header = packet[start + 1]
        kind = header & _TYPE
        if self.unfinished or not 0 < kind <= _LARGEST_SINGLE:
            return BROKEN
        self.data += START_CODE
        self.nals.append(len(self.data))
        self.data.append(packet[start] & _HEADER_REST | kind)
        self.data += packet[start + 2 : end]
        self.unfinished = not header & _END
        return BEGUN

    def _end_fragments(self) -> int:
        self.unfinished = False
        count = len(self.nals)
        if _KINDS[self.data[self.nals[-1]] & _TYPE] != NalKind.SLICE:
            self._find_more()
        return CONTINUED if len(self.nals) == count else BEGUN

    def _add_several(self, packet: memoryview, at: int, end: int) -> int:
        if at == end:
            return BROKEN
        most = len(self.nals) + MOST_AGGREGATED
        while at < end:
            if at + 2 > end or len(self.nals) >= most:
                return BROKEN
            size = packet[at] << 8 | packet[at + 1]
            at += 2
            if not size or at + size > end:
                return BROKEN
            header = packet[at]
            kind = header & _TYPE
            if header & _FORBIDDEN or not 0 < kind <= _LARGEST_SINGLE:
                return BROKEN
            if self._append(packet, at, at + size, kind) == BROKEN:
                return BROKEN
            at += size
        return BEGUN

    def kind(self, index: int) -> NalKind:
        """See `NalBuffer`."""
        start = self.nals[index]
        kind = self.data[start] & _TYPE
        if kind in _WITH_FIRST_MACROBLOCK and len(self.data) > start + 1 and self.data[start + 1] & _FIRST_MACROBLOCK:
            return NalKind.FIRST_SLICE
        return _KINDS[kind]
