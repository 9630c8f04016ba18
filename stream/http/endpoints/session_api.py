"""Exchange of a token for a session cookie, so that the live page does not store the token."""

from __future__ import annotations

import logging
from time import monotonic, time_ns
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from stream.http.server.auth import SESSION_LIFE_S, Access, Caller, Role
from stream.http.server.bodies import json_object
from stream.http.server.gate import CALLER
from stream.http.server.problems import Problem, invalid
from stream.http.server.routes import Answer, Route
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

PATH = "/api/v1/session"


class Login(BaseModel):
    """A token to exchange for a cookie."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=1024, description="The token.")


class SessionView(BaseModel):
    """The caller's role."""

    role: Role = Field(description="`control` includes `review`, which includes `read`, which includes `view`.")
    by: Literal["loopback", "token", "session", "pass"] = Field(
        description="What gives the role: being on this machine, a token, a cookie, or a pass of a fleet."
    )
    name: str = Field(description="The token's name; `read` and `control` are those of the configuration.")
    cameras: list[str] | None = Field(description="The cameras that the caller sees; null: all.")


class SessionApi:
    """Begins and ends sessions. `secure`: browsers send the cookie over TLS only."""

    def __init__(self, access: Access, *, secure: bool) -> None:
        self._access = access
        self._secure = secure
        self._logged = RepeatLimiter(limit=20, per_s=60.0)

    def routes(self) -> list[Route]:
        """Return the routes."""
        ended = (Answer(204, "The session has ended."),)
        return [
            Route("GET", PATH, "view", self._show, SessionView, scope="none"),
            Route("POST", PATH, "open", self._begin, SessionView, body=Login, scope="none"),
            Route("DELETE", PATH, "open", self._end, ended, scope="none"),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        """Get the caller's role."""
        return web.json_response(_view(request[CALLER]))

    async def _begin(self, request: web.Request) -> web.Response:
        """Exchange a token for a session cookie."""
        body = await json_object(request)
        token = body.get("token")
        if set(body) != {"token"} or not isinstance(token, str) or not token:
            raise invalid([("token", "must be a string, and the only field")])
        at_us = time_ns() // 1000
        grant = self._access.find(token, at_us)
        if grant is None:
            raise Problem(
                401,
                "unauthorised",
                "the token is unknown, or has expired",
                errors=[("token", "unknown token")],
                headers={"WWW-Authenticate": 'Bearer realm="partstream"'},
            )
        if self._logged.admit(grant.name, monotonic())[0]:
            logger.info("http: token %s signed in from %s", grant.name, request.remote)
        response = web.json_response(_view(Caller(grant.role, "session", grant.name, grant.cameras)))
        response.set_cookie(
            self._access.cookie,
            self._access.sessions.begin(grant, at_us),
            max_age=SESSION_LIFE_S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._secure,
        )
        return response

    async def _end(self, request: web.Request) -> web.Response:
        """End the session."""
        cookie = self._access.cookie
        self._access.sessions.end(request.cookies.get(cookie, ""))
        response = web.Response(status=204)
        response.del_cookie(cookie, path="/", httponly=True, samesite="Strict", secure=self._secure)
        return response


def _view(caller: Caller) -> dict[str, object]:
    cameras = None if caller.cameras is None else sorted(caller.cameras)
    return {"role": caller.role, "by": caller.by, "name": caller.name, "cameras": cameras}
