"""RTP packets (RFC 3550, 5.1), those that arrived early, and the access units that they become.

Callers unpack the first 12 bytes with `FIXED_HEADER` themselves: a function call per packet would double the time for
reading it. Nearly all packets have no longer header.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

VideoCodec = Literal["h264", "h265"]

FIXED_HEADER = struct.Struct(">BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC."""
HEADER_BYTES = FIXED_HEADER.size
PLAIN = 0x80
"""The first byte of a packet of version 2 without padding, extension and contributing sources."""
VERSION_MASK, VERSION = 0xC0, 0x80
MARKER = 0x80
"""In the second byte, beside the payload type."""
_PADDING, _EXTENSION, _SOURCES = 0x20, 0x10, 0x0F

GIVE_UP_NS = 50_000_000
"""An overtaken packet arrives within milliseconds. After this time it is lost."""
MAX_PACKETS, MAX_BYTES = 1024, 4 << 20
"""Limits: more than a camera of 100 Mbit/s sends in that time."""
FEW = 64
"""With up to this many packets, the next one is found by comparing them; with more, by trying sequence numbers."""


class UnsupportedStreamError(Exception):
    """The stream is valid but not supported. `reason` is the short code for status and metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not supported: {reason}")
        self.reason = reason


class EncodedUnit(msgspec.Struct, frozen=True, gc=False):
    """One complete access unit, with what its decoder must know; in interlaced video, it may be a field."""

    data: bytes
    """Annex B: all slices, with the parameter sets and SEI sent with them."""
    rtp_timestamp: int
    """90 kHz, modulo 2^32."""
    is_keyframe: bool
    """IDR, IRAP, or a recovery point in H.264, as in FFmpeg's packets: players and files can begin there, though not
    always with a complete picture."""
    restart: bool
    """Units before it were lost: flush the decoder first. `data` contains all parameter sets it needs."""


def payload_range(packet: memoryview) -> tuple[int, int]:
    """Return the start and end of a packet's payload, which are equal if there is none.

    If the header announces more than the packet contains, there is no payload.
    """
    first, end = packet[0], len(packet)
    start = HEADER_BYTES + 4 * (first & _SOURCES)
    if first & _EXTENSION:
        if start + 4 > end:
            return end, end
        start += 4 + 4 * (packet[start + 2] << 8 | packet[start + 3])
    if first & _PADDING and end > start:
        padding = packet[end - 1]
        end -= padding if padding else end - start  # a padding length of 0 is invalid
    return (start, end) if start <= end else (start, start)


class ReorderBuffer:
    """Copies of packets that arrived early, by sequence number, until the missing ones arrive or are given up."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[bytes, int]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, sequence: int, packet: memoryview, now_ns: int) -> None:
        """Keep an early packet, unless its number is held already."""
        if sequence not in self._held:
            self._held[sequence] = (bytes(packet), now_ns)
            self._bytes += len(packet)

    def pop(self, sequence: int) -> bytes | None:
        """Remove and return the packet with this number, or None."""
        held = self._held.pop(sequence, None)
        if held is None:
            return None
        self._bytes -= len(held[0])
        return held[0]

    def overdue(self, now_ns: int) -> bool:
        """Return whether the missing packets are to be given up: they are overdue, or too many packets are held.

        Packets are held in order of arrival, so the first has waited longest.
        """
        if not self._held:
            return False
        _, since_ns = next(iter(self._held.values()))
        return now_ns - since_ns > GIVE_UP_NS or len(self._held) > MAX_PACKETS or self._bytes > MAX_BYTES

    def first_from(self, expected: int) -> int:
        """Return the first held number from `expected` on; at least one packet must be held.

        With many gaps, each number is tried once: searching all held packets for every gap took 0.3 ms a packet.
        """
        if len(self._held) > FEW:
            while expected not in self._held:
                expected = (expected + 1) & 0xFFFF
            return expected
        return min(self._held, key=lambda sequence: (sequence - expected) & 0xFFFF)
