"""The HTTP server's connections: how many may be open, and how long each may last.

aiohttp limits neither. It closes a connection whose request does not begin in time, but it waits without a limit for
the rest of a request, for a client that does not read its response, and for a TLS handshake. Connections are therefore
accepted and counted here, and handed to aiohttp. A connection serves one request and is cut after `life_s`. Streams
have their own limit and last up to an hour.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from stream.http.server.problems import Problem

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
"""Open connections in addition to the streams; further ones are closed at once. Prometheus uses one, a browser about
six."""

CONNECTION_LIFE_S = 30.0
"""Time for a client to send its request and read the response; a connection is cut soon after this."""

STREAM_LIFE_S = 3600.0
"""Time after which a stream ends and its client connects again, so that a forgotten client does not stay forever."""

SLACK_S = 30.0
"""Time for a stream to end by itself before it is cut."""

HANDSHAKE_WITHIN_S = 5.0

RETRY_ACCEPT_S = 1.0
"""Pause after accepting failed, for example because no file descriptor is free."""


class Connections:
    """The connections of one server while `serve` runs; encrypted if `tls` is given."""

    def __init__(self, max_streams: int, life_s: float = CONNECTION_LIFE_S, tls: ssl.SSLContext | None = None) -> None:
        self._max_streams = max_streams
        self._life_s = life_s
        self._tls = tls
        self._opening: dict[RequestHandler, asyncio.Task[None]] = {}
        """Accepted connections that may still be in their TLS handshake, which aiohttp does not know yet."""
        self._streams: set[object] = set()

    @property
    def streams(self) -> int:
        """Open streams."""
        return len(self._streams)

    @contextmanager
    def stream(self, request: web.Request) -> Generator[None]:
        """Count the request's connection as a stream. Raises `Problem` if `max_streams` are open."""
        if len(self._streams) >= self._max_streams:
            raise Problem(
                503,
                "too-many-streams",
                f"{self._max_streams} streams are open, which is the limit http.max_streams: close one, or retry later",
                headers={"Retry-After": "10"},
            )
        self._streams.add(request.protocol)
        try:
            yield
        finally:
            self._streams.discard(request.protocol)

    async def serve(self, listener: socket.socket, server: web.Server) -> None:
        """Accept connections for `server`, and cut those that last too long, until cancelled. Closes `listener`."""
        self._start_accepting(listener, server)
        try:
            await self._cut_old(server)
        finally:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
            for opening in self._opening.values():
                opening.cancel()

    def _start_accepting(self, listener: socket.socket, server: web.Server) -> None:
        if listener.fileno() >= 0:  # not closed while accepting was paused
            asyncio.get_running_loop().add_reader(listener, self._accept, listener, server)

    def _accept(self, listener: socket.socket, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            logger.error("http: cannot accept connections: %s", error.strerror or error)
            loop.remove_reader(listener)
            loop.call_later(RETRY_ACCEPT_S, self._start_accepting, listener, server)
            return
        if len(self._opening.keys() | set(server.connections)) - len(self._streams) >= MAX_CONNECTIONS:
            accepted.close()
        else:
            handler = server()
            self._opening[handler] = loop.create_task(self._open(accepted, handler), name="http connection")

    async def _open(self, accepted: socket.socket, handler: RequestHandler) -> None:
        within_s = HANDSHAKE_WITHIN_S if self._tls is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: handler, accepted, ssl=self._tls, ssl_handshake_timeout=within_s
            )
        except (OSError, ValueError):
            return  # the client is gone, too slow, or offers no TLS that is accepted here; ssl.SSLError is an OSError
        finally:
            del self._opening[handler]

    async def _cut_old(self, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        opened: dict[RequestHandler, float] = {}
        while True:
            now = loop.time()
            opened = {connection: opened.get(connection, now) for connection in server.connections}
            for connection, since in opened.items():
                life_s = STREAM_LIFE_S + SLACK_S if connection in self._streams else self._life_s
                if now - since >= life_s and connection.transport is not None:
                    connection.transport.abort()
            await asyncio.sleep(self._life_s / 5)
