"""The protocol of one connection: aiohttp's, with answers and log lines that repeat nothing of an invalid request.

aiohttp answers such requests before any handler of ours runs, with its version and the part that it cannot parse, which
may be a cookie.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from stream.http.server.problems import Problem, from_http
from telemetry.invalid_requests import SERVER_LOGGER
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

MOST_HEADER_BYTES = 32 << 10
"""Of one header: a fleet's pass for many cameras is long."""
LINGER_S = 10.0
"""Time for which the rest of a request's body is read after its response, so that the client reads the response."""
NOT_HTTP, TOO_MANY, TOO_SLOW = REASONS = ("not-http", "too-many-connections", "too-slow")
"""Codes of requests that are refused before one of our handlers runs."""
INVALID = (HttpProcessingError, web.RequestPayloadError)
"""What aiohttp raises for a head or a body that is not valid HTTP."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class InvalidRequests:
    """Counts the invalid requests of one server by the problem's code, and logs them at a limited rate."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self._logged_from = RepeatLimiter(limit=1, per_s=60.0)
        self._logged = RepeatLimiter(limit=5, per_s=10.0)

    def problem(self, address: str | None, error: BaseException) -> Problem:
        """Count and log a request, by the kind of its error, and return the answer."""
        self.refused[NOT_HTTP] += 1
        now = monotonic()
        if self._logged_from.admit(address, now)[0]:
            admitted, suppressed = self._logged.admit("invalid", now)
            if admitted:
                more = f"; {suppressed} more were not logged" if suppressed else ""
                logger.warning("http: a request from %s is not valid HTTP (%s)%s", address, type(error).__name__, more)
        return Problem(400, NOT_HTTP, "the request is not valid HTTP, or a line of it is too long")


class PlainHandler(RequestHandler):
    """Serves one connection. `began` is called with it once a request's head has arrived, or cannot be parsed."""

    __slots__ = ("_began", "_invalid")

    def __init__(self, server: web.Server, invalid: InvalidRequests, began: Callable[[RequestHandler], object]) -> None:
        # Bodies are not decompressed: a small one could become large.
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            logger=SERVER_LOGGER,
            access_log=None,  # pyright: ignore[reportArgumentType]  as AppRunner passes it
            auto_decompress=False,
            max_field_size=MOST_HEADER_BYTES,
            lingering_time=LINGER_S,
        )
        self._invalid = invalid
        self._began = began

    def data_received(self, data: bytes) -> None:
        """Parse data. If it is invalid, a handler that waits for the rest of its request's body gets the error."""
        super().data_received(data)
        if self._messages and self._current_request is not None:
            error = getattr(self._messages[-1][0], "exc", None)
            body = self._current_request.content
            if isinstance(error, INVALID) and not body.is_eof():
                body.set_exception(error)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to a request that cannot be parsed, or whose handler failed."""
        self._began(self)
        if isinstance(exc, INVALID):
            problem = self._invalid.problem(request.remote, exc)
        else:
            logger.error("internal error while answering a %s request", request.method, exc_info=exc)
            problem = Problem(status, "internal", "internal error in partstream: see the log, and please report it")
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the response is sent already")
        response = problem.response()
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    def log_exception(self, *args: object, **kw: object) -> None:
        """Log an error of aiohttp's, except for the rest of an invalid request, which is counted already."""
        if not isinstance(kw.get("exc_info"), INVALID):
            super().log_exception(*args, **kw)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response without aiohttp's version, as the only one of the connection."""
        if not resp.prepared:
            resp.headers["Server"] = "partstream"
            resp.force_close()
        if resp.status == 400:  # where the request ends may not be certain
            self._lingering_time = 0.0
        return await super().finish_response(request, resp, start_time)


def answering(handler: Handler, began: Callable[[RequestHandler], object]) -> Handler:
    """Return `handler` with plain answers in place of aiohttp's own, which can repeat a part of the request."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        began(request.protocol)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return from_http(error).response()

    return answer
