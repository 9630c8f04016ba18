"""Connections: how many there are, and how long each may last.

A connection answers one request and is cut after `life_s`, however slowly its client writes or reads. Answers that go
on are counted apart, have a limit of their own, and an hour.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from stream.http.server.problems import Problem
from stream.http.server.tls import Handshake

MAX_CONNECTIONS = 64
"""Connections at once beside the streams; a further one is closed at once. Prometheus uses one, a person's browser
about six. A burst can exceed it by `BACKLOG`, since connections accepted together are counted only afterwards."""

BACKLOG = 16

CONNECTION_LIFE_S = 30.0
"""However slowly a client sends its request or reads the answer, its connection is cut soon after this."""

STREAM_LIFE_S = 3600.0
"""Streams end after this by themselves, and clients connect again: none is kept for ever by somebody forgotten."""

SLACK_S = 30.0


class Connections:
    """The connections of one server, from `begin` to the end of `cut_old`; encrypted where there is a `tls` context."""

    def __init__(self, max_streams: int, life_s: float = CONNECTION_LIFE_S, tls: ssl.SSLContext | None = None) -> None:
        self._max_streams = max_streams
        self._tls = tls
        self._handshakes: set[Handshake] = set()
        self._life_s = life_s
        self._server: web.Server | None = None
        self._opened: dict[RequestHandler, float] = {}
        self._streams: set[object] = set()

    def begin(self, server: web.Server) -> None:
        """Connections are this server's."""
        self._server = server

    @property
    def streams(self) -> int:
        """Answers that go on, now."""
        return len(self._streams)

    def protocol(self) -> asyncio.Protocol:
        """A new connection's protocol, or for one too many a protocol that hangs up."""
        server = self._server
        if server is None:
            return _HangUp()
        if len(server.connections) + len(self._handshakes) - len(self._streams) >= MAX_CONNECTIONS:
            return _HangUp()
        return server() if self._tls is None else Handshake(self._tls, server, self._handshakes)

    @contextmanager
    def stream(self, request: web.Request) -> Generator[None]:
        """While it lasts, the request's answer may go on. Raises `Problem` where there are too many already."""
        if len(self._streams) >= self._max_streams:
            raise Problem(
                503,
                "too-many-streams",
                f"{self._max_streams} streams are open, as many as http.max_streams allows: close one, or try later",
                headers={"Retry-After": "10"},
            )
        self._streams.add(request.protocol)
        try:
            yield
        finally:
            self._streams.discard(request.protocol)

    async def cut_old(self) -> None:
        """Cut what has lasted too long, for ever."""
        loop = asyncio.get_running_loop()
        while self._server is not None:
            now = loop.time()
            self._opened = {one: self._opened.get(one, now) for one in self._server.connections}
            for connection, since in self._opened.items():
                life_s = STREAM_LIFE_S + SLACK_S if connection in self._streams else self._life_s
                if now - since >= life_s and connection.transport is not None:
                    connection.transport.abort()
            await asyncio.sleep(self._life_s / 5)


class _HangUp(asyncio.Protocol):
    """Closes its connection as soon as there is one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()  # uvloop's doesn't say that it is one
