"""Routes of the HTTP server, with the role that they need and their description for the OpenAPI document.

`stream.http.server.gate` checks access before it calls a handler, and turns what the handler raises into
a response.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from aiohttp import web
from pydantic import BaseModel

from stream.http.server.auth import Needs
from stream.http.server.problems import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Schema = type[BaseModel] | type[msgspec.Struct] | dict[str, Any]
"""The shape of a body: a model or a JSON Schema."""


Scope = Literal["none", "camera", "filtered", "whole"]
"""Whose data a route gives or changes. `none`: no camera's. `camera`: one camera's, which the path names. `filtered`:
those of the cameras that the caller sees, which is up to the handler. `whole`: all cameras' at once."""


@dataclass(frozen=True, slots=True)
class CameraOf:
    """How to find the camera of a route of scope `camera` whose path does not contain `{camera}`.

    `camera` takes the value of the path's `parameter` and returns the camera, or None; it must not block the event
    loop. `unknown` makes the problem that the handler raises if there is no such thing.
    """

    parameter: str
    camera: Callable[[str], Awaitable[str | None]]
    unknown: Callable[[], Problem]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response of a route."""

    status: int
    description: str
    schema: Schema | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path in aiohttp's syntax, for example with `{camera}`, and its handler.

    GET routes also serve HEAD unless they are long-lived. `long_lived`: the response is a stream; it counts towards
    `http.max_streams` and can last an hour. `limited`: requests count towards `http.requests_per_second`. `scope`
    has no default, so that it cannot be forgotten.
    """

    method: str
    path: str
    needs: Needs
    handler: Handler
    summary: str
    answers: tuple[Answer, ...] = ()
    body: Schema | None = None
    body_type: str = "application/json"
    query: tuple[Parameter, ...] = ()
    long_lived: bool = False
    limited: bool = True
    scope: Scope = field(kw_only=True)
    camera_of: CameraOf | None = None

    def __post_init__(self) -> None:
        parameter = "camera" if self.camera_of is None else self.camera_of.parameter
        if (self.scope == "camera") != (f"{{{parameter}}}" in self.path):
            raise ValueError(f"{self.method} {self.path}: a path with `{{{parameter}}}` has the scope `camera`")
        if self.needs == "open" and self.scope != "none":
            raise ValueError(f"{self.method} {self.path}: an open route gives no camera's data")

    @property
    def changes(self) -> bool:
        """Whether the route can change anything."""
        return self.method not in ("GET", "HEAD", "OPTIONS")

    @property
    def audited(self) -> bool:
        """Whether a request leaves a line in the audit file. Those that only need the right to look change nothing."""
        return self.changes and self.needs in ("review", "control")
