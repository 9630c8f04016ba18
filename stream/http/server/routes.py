"""Route: one address that is answered, who may use it, and what the OpenAPI document says of it.

Whoever adds addresses makes a list of routes and hands it to `HttpServer`. Before a handler is called its caller has
been let in by `stream.http.server.gate`; whatever it raises becomes an answer there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from pydantic import BaseModel

from stream.http.server.access import Needs

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Schema = type[BaseModel] | type[msgspec.Struct] | dict[str, Any]
"""What a body looks like: a model, or a JSON Schema."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a route answers, when all is well."""

    status: int
    description: str
    schema: Schema | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the query."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is aiohttp's, with `{camera}` for a camera's id. A route for GET answers HEAD too, if it isn't long-lived.

    `long_lived`: the answer goes on (a stream). It counts against `http.max_streams` instead of the connections, and
    may last an hour. `limited`: requests count against `http.requests_per_second`.
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

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return self.method not in ("GET", "HEAD", "OPTIONS")
