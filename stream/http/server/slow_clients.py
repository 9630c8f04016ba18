"""What answers that go on do about clients who read slowly, or not at all. Owns nothing."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

STALLED_S = 10.0
"""One that takes nothing for so long is cut."""

WRITE_BUFFER = 64 * 1024
"""Bytes that wait in this process, and as many in the system, for a client who doesn't read. Left to itself the system
lets it be megabytes: seconds of what nobody wants when it comes."""


def bound_buffers(request: web.Request) -> None:
    """Let no more than `WRITE_BUFFER` wait for this client."""
    if request.transport is None:
        return
    request.transport.set_write_buffer_limits(high=WRITE_BUFFER)
    connection = request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WRITE_BUFFER)


async def write(response: web.StreamResponse, chunk: bytes) -> None:
    """Raises TimeoutError if the client takes nothing for `STALLED_S`, ConnectionError if it has gone."""
    async with asyncio.timeout(STALLED_S):
        await response.write(chunk)


def has_gone(request: web.Request) -> bool:
    """Whether nobody is there any more to be written to."""
    return request.transport is None or request.transport.is_closing()


def cut(request: web.Request) -> None:
    """End the connection at once."""
    if request.transport is not None:
        request.transport.abort()
