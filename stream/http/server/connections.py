"""The HTTP server's connections: how many may be open, and how long each may last.

aiohttp limits neither. It closes a connection whose request does not begin in time, but it waits without a limit for
the rest of a request, for a client that does not read its response, and for a TLS handshake. Connections are therefore
accepted and counted here, and handed to aiohttp. A connection serves one request, whose head must arrive within
`HEAD_WITHIN_S`, and is cut after `life_s`. Streams have their own limit and last up to an hour.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from stream.descriptors import EXHAUSTED
from stream.http.server.problems import Problem
from stream.http.server.protocol.admission import MAX_CONNECTIONS, MAX_PER_ADDRESS, Admission, place_of
from stream.http.server.protocol.request_handler import TOO_MANY, TOO_SLOW, InvalidRequests, PlainHandler, answering

logger = logging.getLogger(__name__)

CONNECTION_LIFE_S = 30.0
"""Time for a client to send its request and read the response; a connection is cut soon after this."""

HEAD_WITHIN_S = 5.0
"""Time for a client to send the head of its request, with the TLS handshake."""

STREAM_LIFE_S = 3600.0
"""Time after which a stream ends and its client connects again, so that a forgotten client does not stay forever."""

SLACK_S = 30.0
"""Time for a stream to end by itself before it is cut."""

HANDSHAKE_WITHIN_S = 5.0

RETRY_ACCEPT_S = 1.0
"""Pause after accepting failed, for example because no file descriptor is free."""


class Connections:
    """The connections of one server while `serve` runs; encrypted if `tls` is given."""

    def __init__(
        self,
        max_streams: int,
        life_s: float = CONNECTION_LIFE_S,
        tls: ssl.SSLContext | None = None,
        per_address: int = MAX_PER_ADDRESS,
    ) -> None:
        self._max_streams = max_streams
        self._life_s = life_s
        self._tls = tls
        self._admission = Admission(MAX_CONNECTIONS, per_address)
        self.invalid = InvalidRequests()
        self._spare: list[int] = []
        """A descriptor to accept a connection with when no other is free, so that a health probe is answered."""
        self._opening: dict[RequestHandler, asyncio.Task[None]] = {}
        """Accepted connections that may still be in their TLS handshake, which aiohttp does not know yet."""
        self._streams: set[object] = set()

    @property
    def streams(self) -> int:
        """Open streams."""
        return len(self._streams)

    @property
    def refused(self) -> Counter[str]:
        """Requests that are not valid HTTP, and connections that were closed before one, by reason."""
        return self.invalid.refused

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
        self._admission.stream(request.protocol, is_one=True)
        try:
            yield
        finally:
            self._streams.discard(request.protocol)
            self._admission.stream(request.protocol, is_one=False)

    async def serve(self, listener: socket.socket, server: web.Server) -> None:
        """Accept connections for `server`, and cut those that last too long, until cancelled. Closes `listener`."""
        server.request_handler = answering(server.request_handler, self._admission.began)
        self._start_accepting(listener, server)
        try:
            await self._cut_old(server)
        finally:
            while self._spare:
                os.close(self._spare.pop())
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
            accepted, peer = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno in EXHAUSTED and self._spare:
                os.close(self._spare.pop())  # the next try, which follows at once, gets it
                return
            logger.error("http: cannot accept connections: %s", error.strerror or error)
            loop.remove_reader(listener)
            loop.call_later(RETRY_ACCEPT_S, self._start_accepting, listener, server)
            return
        self._admission.keep(self._opening.keys() | set(server.connections))
        place = place_of(str(peer[0]))
        verdict = self._admission.judge(place)
        if isinstance(verdict.instead_of, RequestHandler):
            self._close(verdict.instead_of, TOO_MANY)
        if not verdict.admitted:
            self.refused[TOO_MANY] += 1
            accepted.close()
            return
        handler = PlainHandler(server, self.invalid, self._admission.began)
        self._admission.add(handler, place)
        opening = self._opening[handler] = loop.create_task(self._open(accepted, handler), name="http connection")
        opening.add_done_callback(lambda _: self._opening.pop(handler, None))
        loop.call_later(HEAD_WITHIN_S, self._end_waiting, handler)

    def _spare_one(self) -> None:
        with suppress(OSError):
            if not self._spare:
                self._spare.append(os.open(os.devnull, os.O_RDONLY))

    def _end_waiting(self, handler: RequestHandler) -> None:
        if self._admission.is_waiting(handler):
            self._close(handler, TOO_SLOW)

    def _close(self, handler: RequestHandler, reason: str) -> None:
        """Close a connection that has not sent the head of a request."""
        self.refused[reason] += 1
        self._admission.remove(handler)
        if (opening := self._opening.pop(handler, None)) is not None:
            opening.cancel()
        if handler.transport is not None:
            handler.transport.abort()

    async def _open(self, accepted: socket.socket, handler: RequestHandler) -> None:
        within_s = HANDSHAKE_WITHIN_S if self._tls is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: handler, accepted, ssl=self._tls, ssl_handshake_timeout=within_s
            )
        except (OSError, ValueError):
            return  # the client is gone, too slow, or offers no TLS that is accepted here; ssl.SSLError is an OSError

    async def _cut_old(self, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        opened: dict[RequestHandler, float] = {}
        while True:
            self._spare_one()
            now = loop.time()
            opened = {connection: opened.get(connection, now) for connection in server.connections}
            for connection, since in opened.items():
                life_s = STREAM_LIFE_S + SLACK_S if connection in self._streams else self._life_s
                if now - since >= life_s and connection.transport is not None:
                    connection.transport.abort()
            await asyncio.sleep(self._life_s / 5)
