"""Streams: limits for clients that read slowly or not at all, and files as streams."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from stream.http.server.connections import STREAM_LIFE_S

STALLED_S = 10.0
"""A client that reads nothing for this long is disconnected."""
FILE_STALLED_S = 60.0
"""The same for files. A browser that shows a paused film reads nothing, and continues with a new request."""

WRITE_BUFFER = 64 * 1024
"""Bytes that wait for a client in this process, and as many in the kernel. The defaults, 512 KiB with TLS and megabytes
in the kernel, would be seconds of outdated pictures."""


async def send(request: web.Request, content_type: str, chunks: AsyncGenerator[bytes]) -> web.StreamResponse:
    """Send chunks until there are no more, the client is gone or stalled, or `STREAM_LIFE_S` have passed.

    An empty chunk is a look at whether the client is still there. At the end, `chunks` is closed.
    """
    loop = asyncio.get_running_loop()
    response = web.StreamResponse(headers={"Content-Type": content_type, "X-Accel-Buffering": "no"})
    async with contextlib.aclosing(chunks):
        await response.prepare(request)
        _bound_buffers(request)
        until = loop.time() + STREAM_LIFE_S
        try:
            async for chunk in chunks:
                if request.transport is None or request.transport.is_closing() or loop.time() >= until:
                    break
                if chunk:
                    async with asyncio.timeout(STALLED_S):
                        await response.write(chunk)
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()  # without waiting for the client
    return response


def _bound_buffers(request: web.Request) -> None:
    """Limit what waits for this client to `WRITE_BUFFER`."""
    if request.transport is None:
        return
    request.transport.set_write_buffer_limits(high=WRITE_BUFFER)
    connection = request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WRITE_BUFFER)


class FileAnswer(web.FileResponse):
    """A file that the handler itself sends, by calling `prepare`. A client that reads nothing is disconnected.

    aiohttp would send it after the handler has returned. It would then no longer count as a stream, and would be cut
    like a short response.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self.prepared:
            return None
        connection = request.transport.get_extra_info("socket") if request.transport is not None else None
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(FILE_STALLED_S * 1000))
        return await super().prepare(request)
