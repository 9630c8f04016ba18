"""Middleware before every handler: rate limits, access control and origin checks; errors become problem details."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic, time_ns

from aiohttp import HttpVersion11, web

from stream.descriptors import EXHAUSTED
from stream.http.server.access_control.access import Access, Caller, allows, embedded_elsewhere, same_origin
from stream.http.server.access_control.audit import Audit
from stream.http.server.access_control.authority import parsed
from stream.http.server.access_control.rate_limit import RateLimiter
from stream.http.server.access_control.revocation import HOLD, Credentials, Revocation
from stream.http.server.access_control.scopes import NotYourCameraError, check_scope
from stream.http.server.access_control.sessions import Sessions
from stream.http.server.connections import Connections
from stream.http.server.problems import Problem, from_http
from stream.http.server.protocol.request_handler import INVALID
from stream.http.server.routes import Handler, Route
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

CALLER = web.RequestKey("CALLER", Caller)
"""The request's sender, for handlers."""

WRONG_TOKEN_COST = 10
"""A request without a valid token counts as this many, to slow down guessing."""

PREFLIGHT_S = "600"
FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""What proxies add to requests that they forward."""


class Gate:
    """Middleware of one server. The server fills `routes`, which maps aiohttp's routes to ours."""

    def __init__(
        self,
        access: Access,
        sessions: Sessions,
        limiter: RateLimiter,
        connections: Connections,
        cors_origins: Sequence[str],
        audit: Audit,
    ) -> None:
        self.routes: dict[object, Route] = {}
        self.refused: Counter[str] = Counter()
        """Rejected requests by the problem's code."""
        self._access = access
        self._sessions = sessions
        self._limiter = limiter
        self._connections = connections
        self._origins = frozenset(cors_origins)
        self._audit = audit
        self._revocation = Revocation(lambda credentials: self._identify(credentials, begun=True))
        self._logged_from = RepeatLimiter(limit=1, per_s=60.0)
        self._logged = RepeatLimiter(limit=5, per_s=10.0)

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Return the handler's response, or problem details."""
        try:
            if self._is_preflight(request):
                return _preflight(request)
            route = self.routes.get(request.match_info.route)
            credentials = _credentials(request, self._sessions.cookie)
            self._admit(request, route, credentials)
            camera = await check_scope(route, request[CALLER], request.match_info) if route is not None else None
            if route is None or route.needs == "open":
                return await handler(request)
            with self._revocation.request(request, credentials, request[CALLER], long_lived=route.long_lived):
                if route.long_lived:
                    with self._connections.stream(request):
                        return await handler(request)
                if route.audited:
                    return await self._audited(request, route, camera, handler)
                return await handler(request)
        except NotYourCameraError as problem:
            self.refused["not-your-camera"] += 1
            self._log_refusal(request, problem)
            return problem.response()
        except Problem as problem:
            refusal = problem
            if problem.code in ("unauthorised", "forbidden"):
                self._log_refusal(request, problem)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            refusal = from_http(error)
        except INVALID as error:  # the rest of the body
            return self._connections.invalid.problem(request.remote, error).response()
        except ConnectionError:
            return web.Response()  # the client is gone, and aiohttp notices that too
        except Exception as error:
            refusal = _of_bug(request, error)
        self.refused[refusal.code] += 1
        return refusal.response()

    def end_revoked(self) -> None:
        """End the sessions, streams and open requests whose token was removed, has expired, or was changed."""
        at_us = time_ns() // 1000
        self._sessions.end_except(lambda grant: self._access.is_current(grant, at_us))
        self._revocation.check()

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
        """Call the handler of a request that can change something, and write the line of it, however it ends."""
        self._audit.check()
        status: int | None = None
        try:
            response = await handler(request)
            status = response.status
            return response
        except (Problem, web.HTTPException) as error:
            status = error.status
            raise
        except Exception:
            status = 500
            raise
        finally:
            self._audit.write(request, route, request[CALLER], camera, status)

    def _identify(self, credentials: Credentials, *, begun: bool = False) -> Caller:
        session = self._sessions.grant(credentials.cookie, monotonic()) if credentials.cookie else None
        return self._access.caller(
            credentials.host, credentials.authorization, session, time_ns() // 1000, credentials.forwarded, begun
        )

    def _admit(self, request: web.Request, route: Route | None, credentials: Credentials) -> None:
        """Raise `Problem` if the request is not allowed. Unknown addresses need a token too, to reveal nothing."""
        now = monotonic()
        address = request.remote or ""
        if route is None or route.limited:
            self._check_rate(self._limiter.take(address, now))
        _check_form(request, credentials.host)
        caller = self._identify(credentials)
        request[CALLER] = caller
        request[HOLD] = self._revocation.hold(credentials, caller)
        needs = route.needs if route is not None else "read"
        if not allows(caller.role, needs):
            assert needs != "open"
            if caller.role is not None:
                raise Problem(403, "forbidden", f"this token is not sufficient: {self._access.advice(needs)}")
            self._check_rate(self._limiter.take(address, now, 0.0))
            self._limiter.punish(address, now, WRONG_TOKEN_COST)
            raise Problem(
                401,
                "unauthorised",
                self._access.advice(needs),
                headers={"WWW-Authenticate": 'Bearer realm="partstream"'},
            )
        if needs != "open" or (route is not None and route.changes):
            self._check_origin(request, caller, credentials.host, changes=route is not None and route.changes)

    def _log_refusal(self, request: web.Request, problem: Problem) -> None:
        """Log a refused request, without what its sender wrote. Once a minute for an address, and seldom for all."""
        now, address = monotonic(), request.remote or ""
        if self._logged_from.admit(address, now)[0] and self._logged.admit("refused", now)[0]:
            route = self.routes.get(request.match_info.route)
            path = f"{route.method} {route.path}" if route is not None else "an unknown address"
            caller = request.get(CALLER)
            name = f"of token {caller.name} " if caller is not None and caller.name else ""
            logger.warning("http: refused a request %sfrom %s to %s: %s", name, address, path, problem.code)

    def _check_rate(self, wait_s: float) -> None:
        if wait_s > 0:
            raise Problem(
                429,
                "too-many-requests",
                "send fewer requests a second (http.requests_per_second)",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )

    def _check_origin(self, request: web.Request, caller: Caller, host: str, *, changes: bool) -> None:
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
            foreign = embedded_elsewhere(request.headers)
        else:
            foreign = not same_origin(origin, host) and origin.lower() not in self._origins
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


def _check_form(request: web.Request, host: str) -> None:
    """Raise `Problem` if proxies and this server could read the request differently.

    HTTP/1.0 has no `Host`. aiohttp refuses HTTP/1.1 without it, or with two, and takes the host of a request for an
    absolute URL from there.
    """
    authority = parsed(host)
    if authority is None and (host or request.version >= HttpVersion11):
        raise Problem(400, "bad-request", "the Host header is not a host and a port")
    if host and request.host != host and (authority is None or (request.host or "").lower() != authority.host):
        raise Problem(400, "bad-request", "the Host header is for another host than the address")
    if request.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        raise Problem(400, "bad-request", "no Transfer-Encoding other than chunked is accepted")


def _preflight(request: web.Request) -> web.Response:
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": PREFLIGHT_S,
        },
    )
