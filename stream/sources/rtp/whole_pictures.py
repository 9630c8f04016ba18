"""WholePictures: finds plain pictures in the bytes of an RTSP connection, in one pass over their packets.

Most pictures of most cameras are one slice that no decoder can begin with, in fragments in order. Between two reads,
the thread sleeps, and other work displaces its code and objects from the processor's caches. Most of its time for a
picture went into reloading those that handle any kind of packet; this pass touches few of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from stream.sources.rtp.codecs.depacketiser import FRAGMENT_END, FRAGMENT_START, START_CODE
from stream.sources.rtp.codecs.video_parameters import VideoCodec
from stream.sources.rtp.encoded_unit import EncodedUnit
from stream.sources.rtp.header import HEADER_BYTES, MARKER, PLAIN

FRAME_BYTES = 4
"""What precedes a packet on an RTSP connection: `$`, channel, length."""
MAX_WAITING_BYTES = 128 << 10
"""Most bytes in complete packets of an incomplete picture. With one more packet, `Framing` still has room."""
_FIRST_SLICE = 0x80
"""Bit of the byte after a slice's header: the slice is the first of its picture."""


class WholePictures:
    """Finds the pictures of one stream on this channel."""

    def __init__(self, codec: VideoCodec, payload_type: int, channel: int) -> None:
        self._frame = bytes((0x24, channel))
        self._unmarked = bytes((PLAIN, payload_type))
        self._marked = bytes((PLAIN, MARKER | payload_type))
        self._slices, self._fragments = _H264 if codec == "h264" else _H265
        header_bytes = 2 if codec == "h264" else 3
        self._unpack = Struct(f">2sH2sHII{header_bytes}s").unpack_from
        """Channel, length, flags and payload type, sequence number, timestamp, SSRC, payload header."""
        self._body = FRAME_BYTES + HEADER_BYTES + header_bytes
        self.waits = False
        """The beginning of a picture was found; call `find` again with more data. Set it to False to forget it."""
        self.timestamp = 0
        """Of this picture."""
        self._data = bytearray()
        """This picture so far."""
        self._packets = self._scanned = 0
        self._middle = self._last = b""

    def find(
        self, view: memoryview, at: int, end: int, sequence: int, ssrc: int | None
    ) -> tuple[EncodedUnit, int, int] | None:
        """Return the picture whose first packet begins at `at`, the number of its packets, and where they end.

        Returns None if its end is not in `view[at:end]` (`waits`), or if it has to be put together packet by packet.
        `sequence`: the first packet's number.
        """
        start, body = at, self._body
        if not self.waits:
            if at + body >= end:
                return None
            frame, size, flags, number, timestamp, source, header = self._unpack(view, at)
            after = at + FRAME_BYTES + size
            if frame != self._frame or number != sequence or source != ssrc or not at + body < after <= end:
                return None
            if flags == self._marked and header[:-1] in self._slices and header[-1] & _FIRST_SLICE:
                data = START_CODE + view[at + FRAME_BYTES + HEADER_BYTES : after]
                return EncodedUnit(data, timestamp, False, False, True), 1, after
            fragments = self._fragments.get(header)
            if flags != self._unmarked or fragments is None or not view[at + body] & _FIRST_SLICE:
                return None
            begin, self._middle, self._last = fragments
            self._data = bytearray(begin)
            self._data += view[at + body : after]
            self._packets, self._scanned, self.timestamp = 1, after - start, timestamp
            self.waits = True
        return self._continue(view, start, end, sequence, ssrc)

    def _continue(
        self, view: memoryview, start: int, end: int, sequence: int, ssrc: int | None
    ) -> tuple[EncodedUnit, int, int] | None:
        unpack, body, data = self._unpack, self._body, self._data
        middle, last, timestamp = self._middle, self._last, self.timestamp
        at, packets = start + self._scanned, self._packets
        while at + body < end:
            frame, size, flags, number, found_timestamp, source, header = unpack(view, at)
            after = at + FRAME_BYTES + size
            if (
                number != (sequence + packets) & 0xFFFF
                or found_timestamp != timestamp
                or source != ssrc
                or frame != self._frame
                or after <= at + body
            ):
                self.waits = False
                return None
            if after > end:
                break
            data += view[at + body : after]
            packets += 1
            at = after
            if header == last and flags == self._marked:
                self.waits = False
                return EncodedUnit(bytes(data), timestamp, False, False, True), packets, at
            if header != middle or flags != self._unmarked:
                self.waits = False
                return None
        self._packets, self._scanned = packets, at - start
        self.waits = at - start < MAX_WAITING_BYTES
        return None


_Headers = tuple[frozenset[bytes], Mapping[bytes, tuple[bytes, bytes, bytes]]]
"""Headers of slices that are whole; and by a first fragment's payload header: start code and slice's header, and the
payload headers of the fragments in the middle and at the end."""


def _h264() -> _Headers:
    slices = frozenset(bytes((reference << 5 | 1,)) for reference in range(4))
    fragments: dict[bytes, tuple[bytes, bytes, bytes]] = {}
    for first in slices:
        indicator = first[0] & 0x60 | 28
        fragments[bytes((indicator, FRAGMENT_START | 1))] = (
            START_CODE + first,
            bytes((indicator, 1)),
            bytes((indicator, FRAGMENT_END | 1)),
        )
    return slices, fragments


def _h265() -> _Headers:
    fragments: dict[bytes, tuple[bytes, bytes, bytes]] = {}
    for kind in range(2):
        for temporal in range(1, 8):
            start = bytes((49 << 1, temporal))
            fragments[start + bytes((FRAGMENT_START | kind,))] = (
                START_CODE + bytes((kind << 1, temporal)),
                start + bytes((kind,)),
                start + bytes((FRAGMENT_END | kind,)),
            )
    return frozenset(bytes((kind << 1, temporal)) for kind in range(2) for temporal in range(1, 8)), fragments


_H264, _H265 = _h264(), _h265()
