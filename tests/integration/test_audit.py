"""The audit file: one line for each change, which names who and what, and no change without one."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp.test_utils import make_mocked_request

from stream.http.server import audit, openapi
from stream.http.server.auth import LOOPBACK
from stream.http.server.routes import Route
from stream.settings.config_error import ConfigError
from support.engines.controlled_engine import PATTERN, configured, running
from support.engines.shared_engine import HIDDEN, SEEN, shared_engine
from support.listed_tokens import bearer, listed, secret_of, write_tokens
from support.waiting import until

CAMERAS = "/api/v1/cameras"
SECRET = "rtsp://user:hunter2@127.0.0.1:1/x"


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_each_change_leaves_one_line(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    async with shared_engine(tmp_path, audit_file=file) as shared:
        ask, alert = shared.client.ask, shared.alerts[SEEN]
        keeper, reviewer = bearer("keeper"), bearer("reviewer")
        for method, path, headers, body in (
            ("PUT", f"{CAMERAS}/{SEEN}", keeper, {"source": SECRET, "max_fps": 7.125}),
            ("POST", f"/api/v1/alerts/{alert}/acknowledge", reviewer, None),
            ("DELETE", f"{CAMERAS}/{SEEN}", keeper, None),
            # No changes: invalid, without the right, of hidden cameras, or with a right to look.
            ("PATCH", f"{CAMERAS}/{SEEN}", keeper, {"hunter2": 1, "enabled": False}),
            ("DELETE", f"{CAMERAS}/{SEEN}", reviewer, None),
            ("DELETE", f"{CAMERAS}/{HIDDEN}", keeper, None),
            ("DELETE", f"{CAMERAS}/{SEEN}", {"Authorization": "Bearer guess"}, None),
            ("POST", "/api/v1/session", {}, {"token": secret_of("keeper")}),
            ("GET", CAMERAS, keeper, None),
        ):
            await ask(method, path, headers=headers, **({} if body is None else {"json": body}))
        camera = {"by": "token", "address": "127.0.0.1", "route": CAMERAS + "/{camera}", "camera": SEEN}
        common = {**camera, "name": "keeper", "target": None}
        lines = written(file)
        assert all(line.pop("at_us") > 1_700_000_000_000_000 for line in lines)
        assert lines == [
            {**common, "method": "PUT", "fields": ["max_fps", "source"], "status": 200},
            {
                **camera,
                "name": "reviewer",
                "method": "POST",
                "route": "/api/v1/alerts/{alert}/acknowledge",
                "target": alert,
                "fields": [],
                "status": 200,
            },
            {**common, "method": "DELETE", "fields": [], "status": 204},
        ]
        for secret in ("hunter2", "7.125", secret_of("keeper")):
            assert secret not in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600
        assert b"http_audit_lines_total 3.0" in shared.engine.metrics.render()


async def test_every_route_that_changes_leaves_a_line_unless_it_only_watches(tmp_path: Path) -> None:
    async with shared_engine(tmp_path) as shared:
        _, document, _ = await shared.client.ask("GET", openapi.PATH, headers=bearer("admin"))
        assert shared.engine._http is not None
        routes = [route for route in shared.engine._http._routes if route.changes]
        assert {(route.method, route.path) for route in routes if not route.audited} == {
            ("POST", "/api/v1/session"),
            ("DELETE", "/api/v1/session"),
            ("POST", "/whep/{camera}"),
            ("DELETE", "/whep/{camera}/{session}"),
        }
        assert len(document["paths"]) > 20


async def test_nothing_changes_while_the_audit_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    async with running(configured({"id": "a", "source": PATTERN}, http={"audit_file": file})) as (engine, client):
        path = f"{CAMERAS}/a"
        file.mkdir()  # also root cannot write a folder
        for _ in range(2):
            status, problem, _ = await client.ask("PATCH", path, json={"max_fps": 3})
            assert (status, problem["type"]) == (507, "urn:partstream:problem:audit-unwritable")
        assert (await client.ask("GET", path))[0] == 200
        assert engine.cameras.configs["a"].max_fps is None
        file.rmdir()
        assert (await client.ask("PATCH", path, json={"max_fps": 3}))[0] == 200
        assert [line["status"] for line in written(file)] == [200]


async def test_a_change_that_is_cut_off_leaves_a_line_too(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("anna", "control"))
    http = {"audit_file": file, "tokens_file": tokens}
    async with running(configured({"id": "a", "source": PATTERN}, http=http)) as (engine, client):
        host, port = client.address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"PATCH {CAMERAS}/a HTTP/1.1\r\nHost: engine.example\r\nAuthorization: Bearer {secret_of('anna')}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{{".encode())
        assert engine._http is not None
        admitted = engine._http._gate.revocation
        await until(lambda: len(admitted))
        write_tokens(tokens)  # the token is removed before the rest of the body arrives
        await until(lambda: not len(admitted))
        assert await reader.read() == b""
        writer.close()
        await until(lambda: bool(written(file)))
        assert [(line["name"], line["status"] == 200) for line in written(file)] == [("anna", False)]
        assert engine.cameras.configs["a"].max_fps is None


async def test_without_a_file_the_lines_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with running(configured({"id": "a", "source": PATTERN})) as (_, client):
        assert (await client.ask("DELETE", f"{CAMERAS}/a"))[0] == 204
    (line,) = re.findall(r"http: changed: ({.*})", caplog.text)
    assert (json.loads(line)["name"], json.loads(line)["camera"]) == ("loopback", "a")


def test_a_full_file_is_rotated_and_five_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROTATE_BYTES", 300)
    file = tmp_path / "audit.jsonl"
    lines, route = audit.Audit(file), Route("POST", "/change", "control", cast(Any, None), scope="none")
    for status in range(200, 220):
        lines.write(make_mocked_request("POST", "/change"), route, LOOPBACK, None, status)
    names = ["audit.jsonl", *(f"audit.jsonl.{number}" for number in range(1, 6))]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    kept = "".join((tmp_path / name).read_text() for name in reversed(names)).splitlines()
    assert [f'"status":{219 - age}' in line for age, line in enumerate(reversed(kept))] == [True] * len(kept)
    assert all((tmp_path / name).stat().st_size <= 300 for name in names)


def test_a_file_that_cannot_be_written_is_named_and_none_is_made(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing" / "audit.jsonl"):
        with pytest.raises(ConfigError, match=r"http\.audit_file: .* cannot be written"):
            audit.Audit(path)
    audit.Audit(tmp_path / "audit.jsonl")
    assert not (tmp_path / "audit.jsonl").exists()
