"""The OpenAPI 3.1 document, generated from the routes and their models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import msgspec
from pydantic import BaseModel

from stream.http.server.problems import CONTENT_TYPE, ProblemDetails
from stream.http.server.routes import CAMERA_ID_SCHEMA, Answer, Route, Schema, described

PATH = "/api/v1/openapi.json"

_IN_PATHS: dict[str, dict[str, Any]] = {
    "camera": {"description": "The camera's id.", "schema": CAMERA_ID_SCHEMA},
    "session": {
        "description": "The session's key, from the `Location` header.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    },
    "alert": {
        "description": "The alert's id.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{8}([0-9a-f]{8})?-[0-9]{1,18}$"},
    },
    "incident": {
        "description": "The id of an alert, or of an event's action.",
        "schema": {"type": "string", "pattern": "^e?[0-9a-f]{8}([0-9a-f]{8})?-[0-9]{1,18}$"},
    },
    "name": {
        "description": "The name of an engine or a node of a fleet.",
        "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,62}$"},
    },
    "clip": {"description": "The clip's name.", "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,160}$"}},
}
"""The parameters in routes' paths."""

REFERENCE = "#/components/schemas/{model}"
"""Where a schema is that another one refers to."""


def document(routes: Sequence[Route], cookie: str) -> dict[str, Any]:
    """Describe the routes. Models are listed by name under `components`. `cookie`: the name of the sessions' cookie."""
    schemas: dict[str, Any] = {}
    problem = {
        "description": "Problem details (RFC 9457).",
        "content": {CONTENT_TYPE: {"schema": _schema(ProblemDetails, schemas)}},
    }
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas, problem)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "partstream",
            "version": _version(),
            "description": "Cameras, status and results of a running engine. Access and tokens: docs/control-api.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The read token or the control token."},
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
            },
        },
    }


def _operation(route: Route, schemas: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", route.path)
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", route.path)]),
        "summary": route.summary or described(route.handler),
        "responses": {str(answer.status): _response(answer, schemas) for answer in route.responses}
        | {"default": problem},
        "security": [] if route.needs == "open" else [{}, {"token": []}, {"session": []}],
        "x-needs": route.needs,
        "x-scope": route.scope,
    }
    parameters = [
        *({"name": name, "in": "path", "required": True, **_IN_PATHS[name]} for name in names),
        *(
            {"name": one.name, "in": "query", "description": one.description, "schema": one.schema}
            for one in route.query
        ),
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {route.body_type: {"schema": _schema(route.body, schemas)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _response(answer: Answer, schemas: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.description}
    if answer.schema is not None:
        response["content"] = {answer.content_type: {"schema": _schema(answer.schema, schemas)}}
    elif answer.content_type != "application/json":
        response["content"] = {answer.content_type: {"schema": {"type": "string"}}}
    return response


def _schema(schema: Schema, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a reference to the schema, and add it to `schemas` with everything that it refers to."""
    if isinstance(schema, dict):
        name, own = schema["title"], schema
    elif issubclass(schema, BaseModel):
        name = schema.__name__
        own = _without_write_only(schema.model_json_schema(ref_template=REFERENCE, mode="serialization"))
    else:
        (reference,), definitions = msgspec.json.schema_components(
            (schema,), ref_template="#/components/schemas/{name}"
        )
        schemas.update(definitions)
        return reference
    own = dict(own)
    schemas.update(own.pop("$defs", {}))
    schemas[name] = own
    return {"$ref": REFERENCE.format(model=name)}


def _without_write_only(schema: Any) -> Any:
    """Remove `writeOnly`: responses contain secrets too, as asterisks."""
    if isinstance(schema, dict):
        return {
            key: _without_write_only(value) for key, value in cast(dict[str, Any], schema).items() if key != "writeOnly"
        }
    return [_without_write_only(item) for item in cast(list[Any], schema)] if isinstance(schema, list) else schema


def _version() -> str:
    try:
        return version("partstream")
    except PackageNotFoundError:
        return "0"
