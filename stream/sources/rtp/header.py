"""The header of an RTP packet (RFC 3550, 5.1). Owns nothing.

The first 12 bytes are read where packets are taken, with `FIXED_HEADER`: a function call a packet costs as much as all
the rest of the reading. Nearly all packets have no more header than that.
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
    """Where the payload of a packet with any header begins and ends; the two are equal if there is none.

    A header that says more than the packet holds leaves no payload.
    """
    first, end = packet[0], len(packet)
    start = HEADER_BYTES + 4 * (first & _SOURCES)
    if first & _EXTENSION:
        if start + 4 > end:
            return end, end
        start += 4 + 4 * (packet[start + 2] << 8 | packet[start + 3])
    if first & _PADDING and end > start:
        padding = packet[end - 1]
        end -= padding if padding else end - start  # no padding at all isn't a valid length
    return (start, end) if start <= end else (start, start)
