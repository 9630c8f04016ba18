"""NalBuffer: the NAL units of the picture that is being received, as one Annex B byte stream. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from stream.sources.rtp.codecs.video_parameters import VideoCodec

START_CODE = b"\0\0\0\1"
_SHORT_START_CODE = START_CODE[1:]

SHORTEST = 2
"""Bytes of a NAL unit that is looked for within another: H.265's header."""
MOST_TOGETHER = 64
"""NAL units looked for within one."""

MOST_AGGREGATED = 1024
"""NAL units sent in one packet: each costs time, however small, and 64 KiB hold 20,000."""

CONTINUED, BEGUN, BROKEN = range(3)
"""What a payload was: more of the same NAL unit, the beginning of one or more, or not what may come there."""


class NalKind(IntEnum):
    """What a NAL unit is to the picture."""

    FIRST_SLICE = 0
    """A picture begins with it."""
    SLICE = 1
    """A further one of the same picture."""
    BEFORE = 2
    """Belongs to the next picture if slices came already: parameter sets, SEI, access unit delimiter."""
    AFTER = 3
    """Belongs to the picture before it, or to none."""


class NalBuffer:
    """What the depacketisers of both codecs fill."""

    codec: ClassVar[VideoCodec]

    def __init__(self) -> None:
        self.data = bytearray()
        """NAL units, a start code before each."""
        self.nals: list[int] = []
        """Where in `data` each one's header is."""
        self.unfinished = False
        """The last one came in fragments, and its last fragment is yet to come."""

    def add(self, packet: memoryview, start: int, end: int) -> int:
        """Take the payload `packet[start:end]`: `CONTINUED`, `BEGUN` or `BROKEN`.

        After `BROKEN` what is there is of no use. Raises `UnsupportedStreamError` for a packetisation that we don't do.
        """
        raise NotImplementedError

    def kind(self, index: int) -> NalKind:
        """Of a NAL unit of which the beginning is there."""
        raise NotImplementedError

    def nal(self, index: int, most: int | None = None) -> bytes:
        """A NAL unit without its start code; at most the first `most` bytes."""
        start = self.nals[index]
        end = self.start_code(index + 1)
        if most is not None and end - start > most:
            return bytes(self.data[start : start + most])
        return bytes(self.data[start:end]).rstrip(b"\0")

    def start_code(self, index: int) -> int:
        """Where the start code of a NAL unit is; one beyond the last: the end."""
        if index >= len(self.nals):
            return len(self.data)
        return self.nals[index] - len(START_CODE)

    def drop(self, count: int) -> None:
        """Leave out the first `count` NAL units."""
        if count >= len(self.nals):
            # A new one: shrinking and growing again the old one costs more.
            self.data = bytearray()
            self.nals = []
            self.unfinished = False
            return
        cut = self.start_code(count)
        del self.data[:cut]
        self.nals = [start - cut for start in self.nals[count:]]

    def _find_more(self) -> None:
        """Some cameras send several NAL units, with start codes, as if they were one."""
        start = self.nals[-1]
        if self.data.find(_SHORT_START_CODE, start + SHORTEST) < 0:
            return
        header, rest = self.data[start : start + SHORTEST], bytes(self.data[start + SHORTEST :])
        pieces = [piece.rstrip(b"\0") for piece in rest.split(_SHORT_START_CODE, MOST_TOGETHER)]
        del self.data[start:]
        self.data += header + pieces[0]
        for piece in pieces[1:]:
            if len(piece) >= SHORTEST:
                self.data += START_CODE
                self.nals.append(len(self.data))
                self.data += piece
