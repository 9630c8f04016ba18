"""The OpenAPI document is complete and valid, and describes what the API returns."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from stream.http.server import openapi
from support.engines.controlled_engine import PATTERN, configured, running
from support.waiting import until

ANSWERED = {
    "/api/v1/status": "EngineView",
    "/api/v1/cameras": "CameraListView",
    "/api/v1/cameras/{camera}": "CameraView",
    "/api/v1/cameras/{camera}/result": "Frame",
    "/api/v1/config": "Config",
    "/api/v1/session": "SessionView",
}


def references(part: Any) -> set[str]:
    """Return the targets of all references in a part of the document."""
    if isinstance(part, list):
        return set().union(*(references(one) for one in cast(list[Any], part)))
    if not isinstance(part, dict):
        return set()
    fields = cast(dict[str, Any], part)
    own = {fields["$ref"]} if "$ref" in fields else set[str]()
    return own.union(*(references(one) for one in fields.values()))


async def test_the_document_has_every_route_its_references_resolve_and_bodies_match_it() -> None:
    async with running(configured({"id": "a", "source": PATTERN})) as (engine, client):
        await until(lambda: engine.publisher.last("results/v1/a/") is not None)
        document = await client.get(openapi.PATH)
        assert document["openapi"] == "3.1.0"
        assert engine._http is not None
        assert {(route.method.lower(), route.path) for route in engine._http._routes} == {
            (method, path) for path, methods in document["paths"].items() for method in methods
        }
        for route in engine._http._routes:
            assert document["paths"][route.path][route.method.lower()]["x-scope"] == route.scope
            if "{camera}" in route.path:
                assert route.scope == "camera", route
            if route.needs == "open":
                assert route.scope == "none", route
        identifiers = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
        assert len(identifiers) == len(set(identifiers))
        for path, name in ANSWERED.items():
            answered = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            assert answered == {"$ref": f"#/components/schemas/{name}"}
            body = await client.get(path.replace("{camera}", "a"))
            jsonschema.Draft202012Validator({**document, **answered}).validate(body)
        names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert references(document) <= names
        for method in ("put", "patch"):
            body = document["paths"]["/api/v1/cameras/{camera}"][method]["requestBody"]["content"]["application/json"]
            validator = jsonschema.Draft202012Validator({**document, **body["schema"]})
            triangle = [[0, 0], [1, 0], [1, 1]]
            assert validator.is_valid({"source": PATTERN, "zones": {"hall": {"points": triangle}}})
            assert not validator.is_valid({"source": PATTERN, "zones": {"hall": {"points": triangle[:2]}}})
        _, problem, _ = await client.ask("GET", "/api/v1/cameras/nobody")
        of_problem = {"$ref": "#/components/schemas/ProblemDetails"}
        jsonschema.Draft202012Validator({**document, **of_problem}).validate(problem)


@pytest.mark.parametrize("examples", [1, pytest.param(40, marks=pytest.mark.soak)])
async def test_valid_and_invalid_requests_cause_no_internal_error(examples: int, tmp_path: Path) -> None:
    """Schemathesis reads the document and sends requests to all routes except streams, which do not end.

    Its phase of coverage sends the least, the greatest and wrong values of each field; `examples` random requests to
    each route follow, which the seed fixes.
    """
    slow = {"id": "a", "source": "pattern:128x96@5"}
    config = configured(slow, profiling_directory=tmp_path / "profiling")
    async with running(config) as (_, client):
        checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
        as_text = "import schemathesis as s; s.serializer.alias('application/sdp', 'text/plain')"
        command = [sys.executable, "-c", f"{as_text}; from schemathesis.cli import schemathesis; schemathesis()", "run"]
        command += [client.address + openapi.PATH, "--checks", checks, "--max-examples", str(examples), "--seed", "1"]
        streams = ("/api/v1/events", "/api/v1/pictures", "/api/v1/cameras/{camera}/pictures")
        command += [argument for path in streams for argument in ("--exclude-path", path)]
        command += ["--phases", "examples,coverage,fuzzing", "--no-color"]
        command += ["--generation-database", "none", "--request-timeout", "20"]
        asked = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path
        )
        log, _ = await asked.communicate()
        assert asked.returncode == 0, log.decode()[-6000:]
        print(log.decode()[-1500:])
        assert (await client.get("/healthz"))["alive"] is True
        assert (await client.get("/api/v1/status"))["ready"] is True
