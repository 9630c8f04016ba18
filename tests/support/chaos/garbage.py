"""Bytes that no protocol knows, at every port: connections that say nonsense, half a request, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
from collections.abc import Sequence
from pathlib import Path

MOST_BYTES = 4096
CONNECTS_WITHIN_S = 2.0
"""The port of a connection that was just reset is sometimes chosen again. The kernel may still have that connection."""
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
_SOCKET = re.compile(r"socket:\[(\d+)\]")


def udp_ports(pid: int) -> list[int]:
    """Return the UDP ports of a process on this machine, as of cameras and of WebRTC."""
    inodes: set[str] = set()
    with contextlib.suppress(FileNotFoundError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.update(_SOCKET.findall(str(link.readlink())))
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return [int(row[1].partition(":")[2], 16) for row in rows if row[9] in inodes]


def throw_datagrams(ports: Sequence[int], rng: random.Random, number: int) -> None:
    """Send random datagrams, some of which begin as RTP, RTCP, STUN or DTLS do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(number if ports else 0):
            begins = rng.choice(
                (b"", b"\x80\x60", b"\x80\xc8\x00\x06", b"\x00\x01\x00\x08\x21\x12\xa4\x42", b"\x16\xfe\xfd")
            )
            with contextlib.suppress(OSError):
                sender.sendto(begins + rng.randbytes(rng.randrange(1400)), ("127.0.0.1", rng.choice(ports)))


async def throw(ports: Sequence[int], rng: random.Random, connections: int) -> int:
    """Make connections one after another, and return how many were accepted."""
    accepted = 0
    for _ in range(connections):
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECTS_WITHIN_S):
                _, writer = await asyncio.open_connection("127.0.0.1", rng.choice(ports))
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
    return accepted
