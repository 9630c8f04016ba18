"""UnitAssembler: assembles the RTP packets of one video stream into complete access units. Time is an argument.

It replaces aiortc's jitter buffer, which holds every picture until the next one begins: here a unit is complete with
its marked last packet, one frame interval earlier. A gap may last as long as a retransmission takes. After that, a
keyframe is requested and all units before it are discarded: they would be smeared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from telemetry.reasons import DiscardReason

GIVE_UP_NS = 250_000_000
"""A lost packet is requested once and arrives after a round trip; after this time it has been lost again."""
MAX_PACKETS = 2048
"""Packets held after a gap, about 2.4 MB: enough for a keyframe of a 4K camera."""
MAX_BYTES = 8 << 20
"""Size limit of an access unit, for streams that never end one."""
REQUEST_AGAIN_NS = 500_000_000
"""Time between requests: a keyframe takes a round trip and the time of encoding."""

_START_CODE = b"\x00\x00\x00\x01"
_INTRA, _SEQUENCE_PARAMETERS = 5, 7


class Packet(Protocol):
    """The parts of an RTP packet that are used here."""

    sequence_number: int
    timestamp: int
    marker: int
    ssrc: int
    payload_type: int
    _data: bytes
    """The depayloaded payload."""


class AssembledUnit(msgspec.Struct, frozen=True, gc=False):
    """One encoded picture."""

    data: bytes
    rtp_timestamp: int
    """90 kHz, modulo 2^32."""
    codec: str
    """`VP8` or `H264`."""
    is_keyframe: bool


class UnitAssembler:
    """Access units of one stream.

    `codecs`: codec of each payload type. `on_discard(reason)` is called for every discarded unit.
    """

    def __init__(self, codecs: dict[int, str], on_discard: Callable[[DiscardReason], None]) -> None:
        self._codecs = codecs
        self._on_discard = on_discard
        self._ssrc: int | None = None
        self._requested_ns: int | None = None
        self._keyframe_needed = True
        self._keyframe_wanted = False
        self._begin()

    def _begin(self) -> None:
        self._held: dict[int, Packet] = {}
        """Packets after a gap by unwrapped sequence number."""
        self._next: int | None = None
        """The first sequence number that was not processed yet."""
        self._highest = 0
        self._gap_since_ns: int | None = None
        self._parts: list[bytes] = []
        self._bytes = 0
        self._timestamp = 0
        self._payload_type = 0
        self._broken = False
        """The current unit lacks a part."""

    def add(self, packet: Packet, now_ns: int) -> list[AssembledUnit]:
        """Add a packet, and return the units that it completes, in order. `now_ns` is monotonic."""
        if packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._keyframe_needed = True
            self._begin()
        number = self._unwrapped(packet.sequence_number)
        if self._next is not None and number < self._next:
            if self._next - number <= MAX_PACKETS:
                return []  # repeated or late
            self._begin()  # the sender restarted its numbering
            self._keyframe_needed = True
            number = self._unwrapped(packet.sequence_number)
        if self._next is None:
            self._next = number
        self._held[number] = packet
        units = self._process()
        if not self._held:
            self._gap_since_ns = None
        elif units or self._gap_since_ns is None:
            self._gap_since_ns = now_ns
        elif now_ns - self._gap_since_ns > GIVE_UP_NS or len(self._held) > MAX_PACKETS:
            self._skip_gap()
            units = self._process()
            self._gap_since_ns = now_ns if self._held else None
        return units

    def need_keyframe(self) -> None:
        """Discard all units until the next keyframe: an earlier one was lost after assembly."""
        self._keyframe_needed = True

    def want_keyframe(self) -> None:
        """Request a keyframe without discarding units."""
        self._keyframe_wanted = True

    def should_request_keyframe(self, now_ns: int) -> bool:
        """Return whether to request a keyframe from the sender now."""
        if not self._keyframe_needed and not self._keyframe_wanted:
            self._requested_ns = None
            return False
        if self._requested_ns is not None and now_ns - self._requested_ns < REQUEST_AGAIN_NS:
            return False
        self._requested_ns = now_ns
        return True

    def _unwrapped(self, number: int) -> int:
        if self._next is None:
            self._highest = number
        step = (number - self._highest) & 0xFFFF
        unwrapped = self._highest + (step - 0x10000 if step >= 0x8000 else step)
        self._highest = max(self._highest, unwrapped)
        return unwrapped

    def _process(self) -> list[AssembledUnit]:
        """Process held packets up to the next gap, and return the units that they complete."""
        units: list[AssembledUnit] = []
        assert self._next is not None
        while (packet := self._held.pop(self._next, None)) is not None:
            self._next += 1
            if packet.timestamp != self._timestamp:
                self._finish(units)  # its last packet had no marker
                self._timestamp = packet.timestamp
            if packet._data:
                self._payload_type = packet.payload_type
                self._bytes += len(packet._data)
                if self._bytes <= MAX_BYTES:
                    self._parts.append(packet._data)
                else:
                    self._parts, self._broken = [b""], True
            if packet.marker:
                self._finish(units)
        return units

    def _skip_gap(self) -> None:
        """Continue after the missing packets; the unit there may lack its beginning."""
        if self._parts:
            self._parts = []
            self._bytes = 0
            self._on_discard(DiscardReason.INCOMPLETE)
        self._next = min(self._held)
        self._timestamp = self._held[self._next].timestamp
        self._broken = self._keyframe_needed = True

    def _finish(self, units: list[AssembledUnit]) -> None:
        parts, broken = self._parts, self._broken
        if not parts:
            return  # padding only
        self._parts, self._bytes, self._broken = [], 0, False
        codec = self._codecs.get(self._payload_type)
        if broken or codec is None:
            self._keyframe_needed = True
            self._on_discard(DiscardReason.INCOMPLETE)
            return
        data = b"".join(parts)
        is_keyframe = is_decoding_start(codec, data)
        if self._keyframe_needed and not is_keyframe:
            self._on_discard(DiscardReason.AWAITING_KEYFRAME)
            return
        self._keyframe_needed = False
        self._keyframe_wanted = self._keyframe_wanted and not is_keyframe
        units.append(AssembledUnit(data, self._timestamp, codec, is_keyframe))


def is_decoding_start(codec: str, data: bytes) -> bool:
    """Return whether this unit can be decoded without earlier ones."""
    if codec == "VP8":
        return not data[0] & 1
    start = data.find(_START_CODE)
    while 0 <= start < len(data) - len(_START_CODE):
        if data[start + len(_START_CODE)] & 0x1F in (_INTRA, _SEQUENCE_PARAMETERS):
            return True
        start = data.find(_START_CODE, start + len(_START_CODE))
    return False
