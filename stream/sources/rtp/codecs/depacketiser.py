"""Depacketiser: collects the NAL units of the access unit that is being received, as one Annex B byte stream.

Single NAL units, aggregation packets and fragments are much alike in RFC 6184 (H.264) and RFC 7798 (H.265). The
subclasses read the payload headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

START_CODE = b"\0\0\0\1"
_SHORT_START_CODE = START_CODE[1:]

MIN_NAL_BYTES = 2
"""Shortest NAL unit that is searched for within another: H.265's header."""
MAX_IN_ONE = 64
"""NAL units searched for within one."""
MAX_AGGREGATED = 1024
"""NAL units in one packet. Each takes time, however small, and 64 KiB hold 20,000."""

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

    def nal(self, index: int, max_bytes: int | None = None) -> bytes:
        """Return a NAL unit without its start code, or at most its first `max_bytes`."""
        start = self.nals[index]
        end = self.start_code(index + 1)
        if max_bytes is not None and end - start > max_bytes:
            return bytes(self.data[start : start + max_bytes])
        return bytes(self.data[start:end]).rstrip(b"\0")

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
