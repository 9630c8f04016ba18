"""The HTTP server's connections: aiohttp's, with a limit of their number and of their time.

Connections are accepted and counted here, because aiohttp limits neither: it waits without end for the rest of a
request, for a client that does not read its response, and for a TLS handshake. A connection serves one request, whose
head must arrive within `HEAD_WITHIN_S`, and is cut `life_s` later. Streams have their own limit and last up to an hour.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from stream.http.server.problems import Problem, from_http
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 128
"""Open connections besides the streams. Prometheus uses one, a browser about six."""
HEAD_BYTES, PASS_HEAD_BYTES = 16 << 10, 48 << 10
"""Of a request's head at most: one with a fleet's pass for many cameras is long."""
REST_BYTES = 512 << 10
"""Read after a head: more than any body may have, also in many chunks."""
HEAD_WITHIN_S = 5.0
"""Time for a client to send the head of its request, with the TLS handshake."""
CONNECTION_LIFE_S = 30.0
"""Time for a client to send the rest of its request and read the response."""
ACCEPT_AGAIN_S = 1.0
"""Pause after accepting failed, for example because no file descriptor is free."""
STREAM_LIFE_S = 3600.0
"""Time after which a stream ends and its client connects again, so that a forgotten client does not stay forever."""
NOT_HTTP, TOO_MANY, TOO_SLOW = REASONS = ("not-http", "too-many-connections", "too-slow")
"""Codes of what is refused before one of our handlers runs."""
INVALID = (HttpProcessingError, web.RequestPayloadError)
"""What aiohttp raises for a head or a body that is not valid HTTP."""


class Connection(RequestHandler):
    """One connection, whose answers and log lines repeat nothing of an invalid request: it may hold a token."""

    __slots__ = ("_connections", "_cut", "_room")

    def __init__(self, server: web.Server, connections: Connections) -> None:
        # Bodies are not decompressed: a small one could become large.
        options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "max_field_size": connections.head_bytes,
        }
        super().__init__(server, loop=asyncio.get_running_loop(), logger=logger, **options)
        self._connections = connections
        self._cut: asyncio.TimerHandle | None = None
        self._room = connections.head_bytes

    def may_last(self, seconds: float | None) -> None:
        """Cut the connection after this time from now; None: never."""
        if self._cut is not None:
            self._cut.cancel()
        self._cut = None if seconds is None else self._loop.call_later(seconds, self._cut_now)

    def _cut_now(self) -> None:
        self._connections.refused[TOO_SLOW] += 1
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self.may_last(HEAD_WITHIN_S)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end."""
        super().connection_lost(exc)
        self.may_last(None)

    def data_received(self, data: bytes) -> None:
        """Parse no more than one request may have: aiohttp limits neither a whole head nor what follows a body."""
        in_head, taken, rest = not self._request_count, data[: self._room], data[self._room :]
        self._room -= len(taken)
        super().data_received(taken)
        if in_head and self._request_count:
            self._room = REST_BYTES
            self.data_received(rest)
        elif in_head and rest:
            super().data_received(b"\0")  # valid in no head, so that `handle_error` answers

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Return the answer to a request that cannot be parsed, or whose handler failed."""
        if isinstance(exc, INVALID):
            response = self._connections.invalid(request, exc, 400 if self._room else 431).response()
        else:
            logger.error("internal error while answering a %s request", request.method, exc_info=exc)
            response = web.Response(status=status, text="internal error in partstream: see the log\n")
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the response is sent already")
        return _plain(response)

    def log_exception(self, *args: object, **kw: object) -> None:
        """Log an error of aiohttp's, except for the rest of an invalid request, which is counted already."""
        if not isinstance(kw.get("exc_info"), INVALID):
            super().log_exception(*args, **kw)


class Connections:
    """The connections of one server while `serve` runs; encrypted if `tls` is given."""

    def __init__(
        self,
        max_streams: int,
        life_s: float = CONNECTION_LIFE_S,
        tls: ssl.SSLContext | None = None,
        head_bytes: int = HEAD_BYTES,
    ) -> None:
        self.head_bytes = head_bytes
        self.refused: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        """Requests that are not valid HTTP, and connections that were closed or cut, by reason."""
        self._max_streams = max_streams
        self._life_s = life_s
        self._tls = tls
        self._streams: dict[Connection, str] = {}
        """The owner of each."""
        self._logged = RepeatLimiter(limit=1, per_s=60.0)

    @property
    def streams(self) -> int:
        """Open streams."""
        return len(self._streams)

    @contextmanager
    def stream(self, request: web.Request, owner: str) -> Generator[None]:
        """Count the request's connection as a stream. `owner`: the token's name, or empty: without a share of its own.

        Raises `Problem` if `max_streams` are open, or half of them are the token's.
        """
        owners, share = list(self._streams.values()), max(1, self._max_streams // 2)
        if len(owners) >= self._max_streams or (owner and owners.count(owner) >= share):
            limit = f"at most {self._max_streams} streams can be open (http.max_streams), {share} of them of one token"
            detail = f"{limit}: close one, or retry later"
            raise Problem(503, "too-many-streams", detail, headers={"Retry-After": "10"})
        connection = cast(Connection, request.protocol)
        self._streams[connection] = owner
        connection.may_last(STREAM_LIFE_S + self._life_s)
        try:
            yield
        finally:
            del self._streams[connection]
            connection.may_last(self._life_s)

    def invalid(self, request: web.BaseRequest, error: BaseException, status: int = 400) -> Problem:
        """Count and log a request that is not valid HTTP, and return the answer."""
        self.refused[NOT_HTTP] += 1
        if self._logged.admit("invalid", asyncio.get_running_loop().time())[0]:
            logger.warning("http: a request from %s is not valid HTTP (%s)", request.remote, type(error).__name__)
        return Problem(status, NOT_HTTP, "the request is not valid HTTP, or its head or a line is too long")

    async def serve(self, listener: socket.socket, server: web.Server) -> None:
        """Accept connections for `server` until cancelled. Closes `listener`."""
        handler = server.request_handler

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            cast(Connection, request.protocol).may_last(self._life_s)
            try:
                return _plain(await handler(request))
            except web.HTTPException as error:  # aiohttp's own text can repeat a part of the request
                return error if error.status < 400 else _plain(from_http(error).response())

        server.request_handler = answer
        opening: set[asyncio.Task[None]] = set()
        try:
            while True:
                accepted = await _accepted(listener)
                if len(opening) + len(server.connections) - len(self._streams) < MAX_CONNECTIONS:
                    task = asyncio.create_task(self._open(accepted, server), name="http connection")
                    opening.add(task)
                    task.add_done_callback(opening.discard)
                else:
                    self.refused[TOO_MANY] += 1
                    accepted.close()
                await asyncio.sleep(0)  # accepting does not pause while others wait
        finally:
            listener.close()
            for task in opening:
                task.cancel()

    async def _open(self, accepted: socket.socket, server: web.Server) -> None:
        """Hand a connection to aiohttp after its TLS handshake, before which aiohttp does not know it."""
        within_s = HEAD_WITHIN_S if self._tls is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(server, self), accepted, ssl=self._tls, ssl_handshake_timeout=within_s
            )
        except (OSError, ValueError):
            accepted.close()  # the client is gone, too slow, or offers no TLS that is accepted (SSLError is an OSError)


async def _accepted(listener: socket.socket) -> socket.socket:
    """Accept a connection, when a descriptor is free."""
    while True:
        try:
            return (await asyncio.get_running_loop().sock_accept(listener))[0]
        except ConnectionAbortedError:
            continue
        except OSError as error:
            logger.error("http: cannot accept connections: %s", error.strerror or error)
            await asyncio.sleep(ACCEPT_AGAIN_S)


def _plain(response: web.StreamResponse) -> web.StreamResponse:
    """Return a response without aiohttp's version, as the only one of its connection."""
    if not response.prepared:
        response.headers.update({"Server": "partstream", "X-Content-Type-Options": "nosniff"})
        response.headers.setdefault("Cache-Control", "no-store")
        response.force_close()
    return response
