"""Header of RTP packets (RFC 3550, 5.1).

Callers unpack the first 12 bytes with `FIXED_HEADER` themselves: a function call per packet would double the time for
reading it. Nearly all packets have no longer header.
"""

from __future__ import annotations

import struct

FIXED_HEADER = struct.Struct(">BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC."""
HEADER_BYTES = FIXED_HEADER.size
PLAIN = 0x80
"""The first byte of a packet of version 2 without padding, extension and contributing sources."""
VERSION_MASK, VERSION = 0xC0, 0x80
MARKER = 0x80
"""In the second byte, beside the payload type."""

_PADDING, _EXTENSION, _SOURCES = 0x20, 0x10, 0x0F


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
