"""Errors as RFC 9457 problem details: what went wrong, which field, and what to do. Never with a secret in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aiohttp import web
from pydantic import BaseModel, Field

CONTENT_TYPE = "application/problem+json"

TITLES = {
    "unauthorised": "The request carries no token that is known here",
    "forbidden": "The token doesn't allow this",
    "foreign-origin": "The request comes from another origin's page",
    "not-found": "There is nothing at this address",
    "no-such-camera": "There is no such camera",
    "no-such-clip": "There is no such clip",
    "no-result-yet": "The camera has given no result yet",
    "method-not-allowed": "This address doesn't take this method",
    "no-room": "Another camera doesn't fit",
    "body-too-large": "The body is too large",
    "not-json": "The body isn't JSON",
    "unsupported-body": "The body is of a kind that isn't taken",
    "invalid": "Something in the request can't be",
    "too-many-requests": "Too many requests",
    "not-kept": "The change could not be kept",
    "profiling-already": "The engine is being profiled already",
    "not-profiled": "The engine can't be profiled",
    "no-such-recording": "There is no such recording",
    "not-now": "The engine can't do this now",
    "bad-offer": "The offer can't be taken",
    "not-published-to": "Nobody can publish to this camera",
    "too-many-publishers": "Too many publishers are there",
    "not-sendable": "The camera's pictures can't be sent as they are",
    "too-many-viewers": "Too many viewers are there",
    "too-many-streams": "Too many streams are open",
    "bad-request": "The request can't be understood",
    "internal": "A fault in partstream",
}
"""Every kind of problem: its code, which ends its `type`, and its title."""


class FieldError(BaseModel):
    """One fault of a request."""

    field: str = Field(description="The setting or parameter, for example `max_fps` or `detector_size.0`.")
    detail: str = Field(description="What is wrong with it.")


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="`urn:partstream:problem:` and a code that doesn't change.")
    title: str = Field(description="The same for every problem of this type.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time, and what to do.")
    errors: list[FieldError] | None = Field(None, description="Each field that is at fault.")


class Problem(Exception):  # noqa: N818  its name is RFC 9457's
    """Raised by whoever answers a request, or stands before it; becomes the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The answer."""
        details = ProblemDetails(
            type=f"urn:partstream:problem:{self.code}",
            title=TITLES[self.code],
            status=self.status,
            detail=self.detail,
            errors=[FieldError(field=field, detail=detail) for field, detail in self.errors] or None,
        )
        body = json.dumps(details.model_dump(exclude_none=True))
        return web.Response(status=self.status, text=body, content_type=CONTENT_TYPE, headers=self.headers)


def from_http(error: web.HTTPException) -> Problem:
    """What aiohttp itself raises, as a problem."""
    match error:
        case web.HTTPNotFound():
            return Problem(404, "not-found", "there is nothing here: GET /api/v1/openapi.json lists all addresses")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(405, "method-not-allowed", f"use {allowed}", headers={"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, "body-too-large", "send less")
        case _:
            return Problem(error.status if error.status >= 400 else 400, "bad-request", error.reason)
