"""Bytes that no protocol knows, at every port: connections that say nonsense, half a request, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence

MOST_BYTES = 4096
BEGINNINGS = (
    b"",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n",
    b"POST /whep/cam0 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/sdp\r\nContent-Length: 20\r\n\r\n",
    b"PUT /api/v1/cameras/%00 HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL",
    b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f",
    b"$\x00\xff\xff",
    b"\x16\x03\x01\x02\x00\x01",
)


async def throw(ports: Sequence[int], rng: random.Random, connections: int) -> int:
    """Make so many connections, one after another, and return how many were accepted."""
    accepted = 0
    for _ in range(connections):
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", rng.choice(ports))
            accepted += 1
            writer.write(rng.choice(BEGINNINGS) + rng.randbytes(rng.randrange(MOST_BYTES)))
            if rng.random() < 0.5:
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
            if rng.random() < 0.3:
                writer.write_eof()
            if rng.random() < 0.5:
                writer.close()
            else:
                writer.transport.abort()
            del reader
    return accepted
