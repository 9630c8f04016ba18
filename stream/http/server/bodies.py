"""Bodies: of requests, bounded and parsed as JSON; of responses, as JSON."""

from __future__ import annotations

from typing import TypeVar, cast

import msgspec
from aiohttp import web
from pydantic import BaseModel, ValidationError

from stages.settings_file import plain_message
from stream.http.server.problems import Problem, invalid

Model = TypeVar("Model", bound=BaseModel)

FIELDS = web.RequestKey("FIELDS", list)
"""The names of the fields of the request's body, once `json_object` has read it."""

MAX_JSON_BYTES = 64 * 1024
"""A camera's settings take about 1 KiB, and as many zones and lines as are allowed 52 KiB."""

JSON_TYPES = ("application/json", "application/merge-patch+json")


async def read_body(request: web.Request, limit: int) -> bytes:
    """Read the whole body. Raises `Problem`: 413 above `limit` bytes, 415 if it is compressed."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported-body", "send the body without a Content-Encoding")
    too_large = Problem(413, "body-too-large", f"send at most {limit} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise too_large
    except RuntimeError:
        if request.transport is None:  # aiohttp raises it if the connection ended before the body was awaited
            raise ConnectionResetError("the client is gone") from None
        raise
    return bytes(body)


async def json_object(request: web.Request, limit: int = MAX_JSON_BYTES) -> dict[str, object]:
    """Read the body as a JSON object. Raises `Problem`: 400 if it is not one, 415 for another type.

    A web page of another origin cannot send this content type without a preflight request, which is rejected.
    """
    if request.content_type not in JSON_TYPES:
        raise Problem(415, "unsupported-body", "send `Content-Type: application/json`")
    body = await read_body(request, limit)
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "not-json", f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise Problem(400, "not-json", "the JSON is nested too deeply") from None
    if not isinstance(decoded, dict):
        raise Problem(400, "not-json", "the body must be a JSON object")
    request[FIELDS] = list(cast(dict[str, object], decoded))
    return cast(dict[str, object], decoded)


async def json_model(request: web.Request, model: type[Model]) -> Model:
    """Read the body as this model. Raises `Problem` as `json_object` does, and 422 naming each wrong field."""
    try:
        return model.model_validate(await json_object(request))
    except ValidationError as error:
        raise invalid([(".".join(map(str, one["loc"])), plain_message(one)) for one in error.errors()]) from None


def json_response(
    body: BaseModel | msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Return a response with this body as JSON."""
    text = body.model_dump_json().encode() if isinstance(body, BaseModel) else msgspec.json.encode(body)
    return web.Response(body=text, status=status, content_type="application/json", headers=headers)
