"""Checks of query parameters."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web

from stream.settings.camera_id import CAMERA_ID

CAMERA_ID_SCHEMA = {"type": "string", "pattern": f"^{CAMERA_ID.pattern}$"}
CAMERA_ERROR = "camera", f"must be a camera id, which matches {CAMERA_ID.pattern}"


def unknown_parameters(request: web.Request, known: Collection[str]) -> list[tuple[str, str]]:
    """Return an error if the query has parameters that are not in `known`."""
    unknown = sorted(set(request.query) - set(known))
    return [("query", f"unknown parameter {', '.join(unknown)}; known are {', '.join(known)}")] if unknown else []
