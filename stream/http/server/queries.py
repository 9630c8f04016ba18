"""Query parameters, checked by the schemas that the OpenAPI document shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from stream.http.server.problems import invalid
from stream.http.server.routes import Parameter
from stream.settings.values import CAMERA_ID

CAMERA_ID_SCHEMA = {"type": "string", "pattern": f"^{CAMERA_ID.pattern}$"}
LONGEST_NUMBER = 20


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
