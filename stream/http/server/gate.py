"""The gate before every handler: how often, who, from which page; and after it, errors as problem details.

What it turns away it counts, by the problem's code.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic

from aiohttp import web

from stream.http.server.access import Access, Caller, allows, embedded_elsewhere, same_origin
from stream.http.server.connections import Connections
from stream.http.server.problems import Problem, from_http
from stream.http.server.rate_limit import RateLimiter
from stream.http.server.routes import Handler, Route
from stream.http.server.sessions import COOKIE, Sessions

logger = logging.getLogger(__name__)

CALLER = web.RequestKey("CALLER", Caller)
"""Under which handlers find in a request who sent it."""

WRONG_TOKEN_COST = 10
"""Requests that one without the right token counts as, so that guessing is slow."""

PREFLIGHT_S = "600"


class Gate:
    """Middleware of one server. `routes` is filled by the server: which of aiohttp's routes are which of ours."""

    def __init__(
        self,
        access: Access,
        sessions: Sessions,
        limiter: RateLimiter,
        connections: Connections,
        cors_origins: Sequence[str],
    ) -> None:
        self.routes: dict[object, Route] = {}
        self.refused: Counter[str] = Counter()
        """Requests that were turned away, by the problem's code."""
        self._access = access
        self._sessions = sessions
        self._limiter = limiter
        self._connections = connections
        self._origins = frozenset(cors_origins)

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The handler's answer, or a problem."""
        try:
            if self._is_preflight(request):
                return _preflight(request)
            route = self.routes.get(request.match_info.route)
            self._admit(request, route)
            if route is not None and route.long_lived:
                with self._connections.stream(request):
                    return await handler(request)
            return await handler(request)
        except Problem as problem:
            refusal = problem
        except web.HTTPException as error:
            if error.status < 400:
                raise
            refusal = from_http(error)
        except ConnectionError:
            return web.Response()  # the client has gone: nobody is there to be answered, and aiohttp sees that too
        except Exception:
            logger.exception("a fault in partstream while answering %s", request.method)
            refusal = Problem(500, "internal", "the log has the error: please report it")
        self.refused[refusal.code] += 1
        return refusal.response()

    def cors(self, request: web.BaseRequest) -> Mapping[str, str]:
        """Headers that let a page of one of the listed origins read the answer; none for others."""
        origin = request.headers.get("Origin", "")
        if origin.lower() not in self._origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": "Location, Retry-After",
            "Vary": "Origin",
        }

    def _admit(self, request: web.Request, route: Route | None) -> None:
        """Raises `Problem` if the request may not go on. What isn't there needs a token too: nobody is to search."""
        now = monotonic()
        address = request.remote or ""
        if route is None or route.limited:
            self._check_rate(self._limiter.take(address, now))
        host = request.headers.get("Host", "")
        secret = request.cookies.get(COOKIE, "")
        session = self._sessions.role(secret, now) if secret else None
        caller = self._access.caller(host, request.headers.get("Authorization", ""), session)
        request[CALLER] = caller
        needs = route.needs if route is not None else "read"
        if not allows(caller.role, needs):
            assert needs != "open"
            if caller.role is not None:
                raise Problem(403, "forbidden", f"this needs another token: {self._access.advice(needs)}")
            self._check_rate(self._limiter.take(address, now, 0.0))
            self._limiter.punish(address, now, WRONG_TOKEN_COST)
            raise Problem(
                401,
                "unauthorised",
                self._access.advice(needs),
                headers={"WWW-Authenticate": 'Bearer realm="partstream"'},
            )
        if needs != "open" or (route is not None and route.changes):
            self._check_origin(request, caller, host, changes=route is not None and route.changes)

    def _check_rate(self, wait_s: float) -> None:
        if wait_s > 0:
            raise Problem(
                429,
                "too-many-requests",
                "send fewer requests a second (http.requests_per_second)",
                headers={"Retry-After": str(int(wait_s) + 1)},
            )

    def _check_origin(self, request: web.Request, caller: Caller, host: str, *, changes: bool) -> None:
        """What a browser adds by itself, a cookie or being on this machine, must not serve another origin's page.

        Browsers name the page's origin with every change and whatever a script may read, and say of the rest whether
        another site's page embeds it. Other programs do neither, and have no cookie.
        """
        if caller.by == "token":
            return
        origin = request.headers.get("Origin")
        if origin is None:
            if caller.by == "session" and changes:
                raise Problem(403, "foreign-origin", "changes by cookie need an Origin header; or send the token")
            foreign = embedded_elsewhere(request.headers)
        else:
            foreign = not same_origin(origin, host) and origin.lower() not in self._origins
        if foreign:
            raise Problem(
                403, "foreign-origin", "pages of this origin may not do this: http.cors_origins lists who may"
            )

    def _is_preflight(self, request: web.Request) -> bool:
        return (
            request.method == "OPTIONS"
            and "Access-Control-Request-Method" in request.headers
            and request.headers.get("Origin", "").lower() in self._origins
        )


def _preflight(request: web.Request) -> web.Response:
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": PREFLIGHT_S,
        },
    )
