"""HTTP errors as problem details (RFC 9457). They never contain secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aiohttp import web
from pydantic import BaseModel, Field

CONTENT_TYPE = "application/problem+json"
MOST_ERRORS = 20
"""Of a request, each with its name; further ones are counted."""


class FieldError(BaseModel):
    """An error in one field of a request."""

    field: str = Field(description="The setting or parameter, for example `max_fps` or `detector_size.0`.")
    detail: str = Field(description="The error in it.")


class ProblemDetails(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field(description="`urn:partstream:problem:` and a stable code.")
    title: str = Field(description="The same for every problem of this type.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong, and what to do.")
    errors: list[FieldError] | None = Field(None, description="The invalid fields.")


class Problem(Exception):  # noqa: N818  its name is RFC 9457's
    """An error that the middleware turns into the response."""

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
        """Return the response."""
        details = ProblemDetails(
            type=f"urn:partstream:problem:{self.code}",
            title=self.code.replace("-", " ").capitalize(),
            status=self.status,
            detail=self.detail,
            errors=[FieldError(field=field, detail=detail) for field, detail in self.errors] or None,
        )
        body = json.dumps(details.model_dump(exclude_none=True))
        return web.Response(status=self.status, text=body, content_type=CONTENT_TYPE, headers=self.headers)


def invalid(errors: Sequence[tuple[str, str]]) -> Problem:
    """Return the problem of a request with these invalid fields: (name, error)."""
    told, more = errors[:MOST_ERRORS], len(errors) - MOST_ERRORS
    sentences = [*(f"{field}: {error}" for field, error in told), *([f"and {more} more"] if more > 0 else [])]
    return Problem(422, "invalid", "; ".join(sentences), errors=told)


def from_http(error: web.HTTPException) -> Problem:
    """Return what aiohttp raised as a problem."""
    match error:
        case web.HTTPNotFound():
            return Problem(404, "not-found", "unknown address: GET /api/v1/openapi.json lists all addresses")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(405, "method-not-allowed", f"use {allowed}", headers={"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, "body-too-large", "send a smaller body")
        case _:
            return Problem(error.status if error.status >= 400 else 400, "bad-request", error.reason)
