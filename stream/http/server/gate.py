"""Middleware before every handler: rate limits, access control and origin checks; errors become problem details."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, time_ns

from aiohttp import web

from stream.cameras.changes import no_such_camera
from stream.descriptors import EXHAUSTED
from stream.http.server.audit import Audit
from stream.http.server.auth import Access, Caller, Credentials, RateLimiter, allows, comes_from_elsewhere, same_origin
from stream.http.server.connections import INVALID, Connections
from stream.http.server.problems import Problem, from_http
from stream.http.server.routes import Handler, Route
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

PREFLIGHT_S = "600"
FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""What proxies add to requests that they forward."""
LOGGED = ("unauthorised", "forbidden", "not-your-camera")


@dataclass(eq=False, slots=True)
class _Admitted:
    credentials: Credentials
    caller: Caller
    end: Callable[[], object]
    exists: Callable[[], bool] = lambda: True


class Revocation:
    """What was admitted and has not ended. `identify` returns the present caller of credentials."""

    def __init__(self, identify: Callable[[Credentials], Caller]) -> None:
        self._identify = identify
        self._admitted: set[_Admitted] = set()

    def __len__(self) -> int:
        return len(self._admitted)

    @contextmanager
    def watching(self, request: web.Request, *, long_lived: bool) -> Generator[None]:
        """Watch a request while it is handled. A long-lived handler is cancelled; others may be changing something."""
        handler = asyncio.current_task() if long_lived else None

        def cut() -> None:
            if handler is not None:  # asyncio's sendfile does not notice that its connection was aborted
                handler.cancel()
            if request.transport is not None:
                request.transport.abort()

        admitted = _Admitted(request[CREDENTIALS], request[CALLER], cut)
        self._admitted.add(admitted)
        try:
            yield
        finally:
            self._admitted.discard(admitted)

    def watch(self, request: web.Request, end: Callable[[], object], exists: Callable[[], bool]) -> None:
        """Call `end` when the request's sender loses access, if what the request began still `exists` then."""
        self._admitted.add(_Admitted(request[CREDENTIALS], request[CALLER], end, exists))

    def check(self) -> None:
        """End everything whose sender would now be another caller, or none."""
        callers: dict[Credentials, Caller] = {}
        for admitted in list(self._admitted):
            credentials = admitted.credentials
            if admitted.exists() and credentials not in callers:
                callers[credentials] = self._identify(credentials)
            if not admitted.exists():
                self._admitted.discard(admitted)
            elif callers[credentials] != admitted.caller:
                self._admitted.discard(admitted)
                logger.info("http: ended a stream or session of %s, whose access has changed", admitted.caller.name)
                admitted.end()


CALLER = web.RequestKey("CALLER", Caller)
"""The request's sender, for handlers."""
CREDENTIALS = web.RequestKey("CREDENTIALS", Credentials)
REVOCATION = web.RequestKey("REVOCATION", Revocation)
"""For handlers that begin something that outlives the request, such as a WebRTC session."""


class Gate:
    """Middleware of one server. The server fills `routes`, which maps aiohttp's routes to ours."""

    def __init__(
        self, access: Access, limiter: RateLimiter, connections: Connections, cors_origins: Sequence[str], audit: Audit
    ) -> None:
        self.routes: dict[object, Route] = {}
        self.refused: Counter[str] = Counter()
        """Rejected requests by the problem's code."""
        self.revocation = Revocation(lambda credentials: access.caller(credentials, _now_us(), begun=True))
        self._access = access
        self._limiter = limiter
        self._connections = connections
        self._origins = frozenset(cors_origins)
        self._audit = audit
        self._logged = RepeatLimiter(limit=1, per_s=60.0)

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Return the handler's response, or problem details."""
        try:
            if self._is_preflight(request):
                return _preflight(request)
            route = self.routes.get(request.match_info.route)
            self._admit(request, route)
            camera = await check_scope(route, request[CALLER], request.match_info) if route is not None else None
            if route is None or route.needs == "open":
                return await handler(request)
            with self.revocation.watching(request, long_lived=route.long_lived):
                if route.long_lived:
                    with self._connections.stream(request, request[CALLER].owner):
                        return await handler(request)
                if route.audited:
                    return await self._audited(request, route, camera, handler)
                return await handler(request)
        except Problem as problem:
            refusal = problem
            if problem.code in LOGGED:
                self._log_refusal(request, problem)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            refusal = from_http(error)
        except INVALID as error:  # the rest of the body
            return self._connections.invalid(request, error).response()
        except ConnectionError:
            return web.Response()  # the client is gone, and aiohttp notices that too
        except Exception as error:
            refusal = _of_bug(request, error)
        self.refused[refusal.code] += 1
        return refusal.response()

    def end_revoked(self) -> None:
        """End the sessions, streams and open requests whose token was removed, has expired, or was changed."""
        self._access.end_old_sessions()
        self.revocation.check()

    def cors(self, request: web.BaseRequest) -> Mapping[str, str]:
        """Return the headers that let pages of the listed origins read the response."""
        origin = request.headers.get("Origin", "")
        if not self._answers(origin):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "Location, Retry-After",
            "Vary": "Origin",
        }

    async def _audited(
        self, request: web.Request, route: Route, camera: str | None, handler: Handler
    ) -> web.StreamResponse:
        """Call the handler of a request that can change something, and write the line of it unless it is refused."""
        self._audit.check()
        status: int | None = None
        try:
            response = await handler(request)
            status = response.status
            return response
        except (Problem, web.HTTPException) as error:
            status = error.status
            raise
        finally:
            if status is None or not 400 <= status < 500:
                self._audit.write(request, route, request[CALLER], camera, status)

    def _admit(self, request: web.Request, route: Route | None) -> None:
        """Raise `Problem` if the request is not allowed. Unknown addresses need a token too, to reveal nothing."""
        if route is None or route.limited:
            self._check_rate(request)
        credentials = _credentials(request, self._access.cookie)
        caller = self._access.caller(credentials, _now_us())
        request[CALLER], request[CREDENTIALS], request[REVOCATION] = caller, credentials, self.revocation
        needs = route.needs if route is not None else "read"
        if not allows(caller.role, needs):
            assert needs != "open"
            if caller.role is not None:
                raise Problem(403, "forbidden", f"this token is not sufficient: {self._access.advice(needs)}")
            raise Problem(
                401,
                "unauthorised",
                self._access.advice(needs),
                headers={"WWW-Authenticate": 'Bearer realm="partstream"'},
            )
        changes = route is not None and route.changes
        if needs != "open" or changes:
            self._check_origin(request, caller, changes=changes)

    def _log_refusal(self, request: web.Request, problem: Problem) -> None:
        """Log a refused request, without what its sender wrote. Once a minute for an address."""
        if self._logged.admit(request.remote, monotonic())[0]:
            route = self.routes.get(request.match_info.route)
            path = f"{route.method} {route.path}" if route is not None else "an unknown address"
            name = f"of token {request[CALLER].name} " if request[CALLER].name else ""
            logger.warning("http: refused a request %sfrom %s to %s: %s", name, request.remote, path, problem.code)

    def _check_rate(self, request: web.Request) -> None:
        wait_s = self._limiter.take(request.remote or "", monotonic())
        if wait_s > 0:
            raise Problem(
                429,
                "too-many-requests",
                "send fewer requests a second (http.requests_per_second)",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )

    def _check_origin(self, request: web.Request, caller: Caller, *, changes: bool) -> None:
        """Raise `Problem` if a page of another origin uses the cookie, or the browser's place on this machine.

        Browsers send `Origin` with changes and with requests that scripts can read. For other requests, Fetch Metadata
        tells whether a page of another site embeds them. Other programs send neither, and have no cookie.
        """
        if caller.by in ("token", "pass"):
            return
        origin = request.headers.get("Origin")
        if origin is None:
            if caller.by == "session" and changes:
                raise Problem(403, "foreign-origin", "changes with a cookie need an Origin header; or send a token")
            foreign = comes_from_elsewhere(request.headers, changes=changes)
        else:
            foreign = not same_origin(origin, request[CREDENTIALS].host) and origin.lower() not in self._origins
        if foreign:
            raise Problem(
                403, "foreign-origin", "pages of this origin have no access: add it to http.cors_origins to allow it"
            )

    def _is_preflight(self, request: web.Request) -> bool:
        return (
            request.method == "OPTIONS"
            and "Access-Control-Request-Method" in request.headers
            and self._answers(request.headers.get("Origin", ""))
        )

    def _answers(self, origin: str) -> bool:
        """Return whether pages of this origin may read responses.

        The fleet's page may, but has no access without a pass: `_check_origin` does not know its origin.
        """
        passes = self._access.passes
        return origin.lower() in self._origins or (passes is not None and origin.lower() in passes.origins)


async def check_scope(route: Route, caller: Caller, values: Mapping[str, str]) -> str | None:
    """Raise `Problem` if the route gives or changes data of cameras that the caller does not see.

    `values`: of the parameters in the path. For one camera, the response is the same as if it did not exist. Return the
    camera that the request concerns, if that is known; it is looked up for audited routes even if the caller sees all.
    """
    if route.scope == "whole" and caller.cameras is not None:
        raise Problem(
            403, "not-your-camera", "this concerns all cameras, and the token is for some: send one with `cameras: all`"
        )
    if route.scope != "camera" or (caller.cameras is None and not route.audited):
        return None
    if route.camera_of is None:
        camera = values["camera"]
        if not caller.sees(camera):
            raise Problem(404, "no-such-camera", str(no_such_camera(camera)))
        return camera
    found = await route.camera_of.camera(values[route.camera_of.parameter])
    if caller.cameras is not None and (found is None or not caller.sees(found)):
        raise route.camera_of.unknown()
    return found


def _credentials(request: web.Request, cookie: str) -> Credentials:
    headers = request.headers
    return Credentials(
        headers.get("Host", ""),
        headers.get("Authorization", ""),
        request.cookies.get(cookie, ""),
        any(name in headers for name in FORWARDING_HEADERS),
    )


def _of_bug(request: web.Request, error: Exception) -> Problem:
    """Return the problem of an unexpected error, and log it unless no file descriptor was free."""
    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        text = "the process has no file descriptor free: close connections, raise its limit, or retry later"
        return Problem(503, "no-descriptors", text, headers={"Retry-After": "10"})
    logger.exception("internal error while answering a %s request", request.method)
    return Problem(500, "internal", "internal error in partstream: see the log, and please report it")


def _preflight(request: web.Request) -> web.Response:
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": PREFLIGHT_S,
        },
    )


def _now_us() -> int:
    return time_ns() // 1000
