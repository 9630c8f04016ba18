"""Routes of the HTTP server: the role that they need, their description for the OpenAPI document, and query parameters.

`stream.http.server.gate` checks access before it calls a handler, and turns what the handler raises into
a response.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from aiohttp import web
from pydantic import BaseModel

from stream.http.server.auth import Needs
from stream.http.server.problems import Problem, invalid
from stream.settings.values import CAMERA_ID

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

    The handler's docstring is the summary, if no other is given. `answers`: a schema stands for status 200 with JSON.
    GET routes also serve HEAD unless they are long-lived. `long_lived`: the response is a stream; it counts towards
    `http.max_streams` and can last an hour. `limited`: requests count towards `http.requests_per_second`. `scope`
    must be given unless the path names a camera.
    """

    method: str
    path: str
    needs: Needs
    handler: Handler
    answers: Schema | tuple[Answer, ...] = ()
    summary: str = ""
    body: Schema | None = None
    body_type: str = "application/json"
    query: tuple[Parameter, ...] = ()
    long_lived: bool = False
    limited: bool = True
    scope: Scope = "camera"
    camera_of: CameraOf | None = None

    def __post_init__(self) -> None:
        parameter = "camera" if self.camera_of is None else self.camera_of.parameter
        if (self.scope == "camera") != (f"{{{parameter}}}" in self.path):
            raise ValueError(f"{self.method} {self.path}: a path with `{{{parameter}}}` has the scope `camera`")
        if self.needs == "open" and self.scope != "none":
            raise ValueError(f"{self.method} {self.path}: an open route gives no camera's data")

    @property
    def responses(self) -> tuple[Answer, ...]:
        """The successful responses."""
        given = self.answers
        return given if isinstance(given, tuple) else (Answer(200, described(given), given),)

    @property
    def changes(self) -> bool:
        """Whether the route can change anything."""
        return self.method not in ("GET", "HEAD", "OPTIONS")

    @property
    def audited(self) -> bool:
        """Whether a request leaves a line in the audit file. Those that only need the right to look change nothing."""
        return self.changes and self.needs in ("review", "control")


def described(thing: Schema | Handler) -> str:
    """Return the description of a schema or a handler: the first paragraph of its docstring."""
    if isinstance(thing, dict):
        return thing.get("description", thing["title"])
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


CAMERA_ID_SCHEMA = {"type": "string", "pattern": f"^{CAMERA_ID.pattern}$"}
LONGEST_NUMBER = 20


def limit_of(things: str, default: int, most: int) -> Parameter:
    """Return the parameter `limit` of a list of these things."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", f"Maximum number of {things}.", schema)


def read_query(request: web.Request, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the value of each parameter. Without one: its default, otherwise None, or [] for an array.

    Raises `Problem`, which names each parameter that is wrong.
    """
    values: dict[str, Any] = {}
    unknown = sorted(set(request.query) - {one.name for one in parameters})
    known = ", ".join(one.name for one in parameters)
    errors = [("query", f"unknown parameter {', '.join(unknown)}; known are {known}")] if unknown else []
    for one in parameters:
        given, schema = request.query.getall(one.name, []), one.schema
        try:
            if schema["type"] != "array":
                values[one.name] = _value(given[0], schema) if given else schema.get("default")
            else:
                values[one.name] = list(dict.fromkeys(_value(text, schema["items"]) for text in given))
                least, most = schema.get("minItems", 0), schema.get("maxItems", len(given))
                if not least <= len(values[one.name]) <= most:
                    raise ValueError(f"give {least} to {most}")
        except ValueError as error:
            errors.append((one.name, str(error)))
    if errors:
        raise invalid(errors)
    return values


def _value(text: str, schema: dict[str, Any]) -> Any:
    """Return the value that a text stands for. Raises ValueError."""
    kind, least, most = schema["type"], schema.get("minimum", 0), schema.get("maximum", 0)
    if "enum" in schema and text not in schema["enum"]:
        raise ValueError(f"must be one of {', '.join(schema['enum'])}")
    if kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError("must be true or false")
        return text == "true"
    if kind == "integer":
        if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)
    if kind == "number":
        if not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{0,20})?", text) or not 0 < float(text) <= most:
            raise ValueError(f"must be a number above 0 and at most {most:g}")
        return float(text)
    if "pattern" in schema and not re.fullmatch(schema["pattern"], text):
        raise ValueError(f"must match {schema['pattern']}")
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        raise ValueError(f"must have {schema.get('minLength', 0)} to {schema.get('maxLength')} characters")
    return text
