"""The audit file: rotated by size, and refused where it cannot be written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp.test_utils import make_mocked_request

from stream.http.endpoints.profiling_api import ProfilingRequest
from stream.http.server.access_control import audit
from stream.http.server.access_control.access import LOOPBACK, Caller
from stream.http.server.access_control.audit import Audit, known_fields
from stream.http.server.routes import Route
from stream.settings.config_error import ConfigError

ROUTE = Route("POST", "/change", "control", cast(Any, None), "Change.", scope="none")


def test_a_full_file_is_rotated_and_five_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROTATE_BYTES", 300)
    file = tmp_path / "audit.jsonl"
    written = Audit(file)
    for status in range(200, 220):
        written.write(make_mocked_request("POST", "/change"), ROUTE, LOOPBACK, None, status)
    names = ["audit.jsonl", *(f"audit.jsonl.{number}" for number in range(1, 6))]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    kept = "".join((tmp_path / name).read_text() for name in reversed(names)).splitlines()
    assert [f'"status":{219 - age}' in line for age, line in enumerate(reversed(kept))] == [True] * len(kept)
    assert all((tmp_path / name).stat().st_size <= 300 for name in names)


def test_refused_requests_get_few_lines_in_a_minute_and_one_that_counts_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(audit, "monotonic", lambda: now)
    file = tmp_path / "audit.jsonl"
    written, request = Audit(file), make_mocked_request("POST", "/change")

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in file.read_text().splitlines()]

    for _ in range(500):
        for status in (404, 422):
            written.write(request, ROUTE, Caller("control", "token", "keeper", None), None, status)
    written.write(request, ROUTE, Caller("control", "token", "other", None), None, 409)
    changes: list[int | None] = [200, 500, 507, None]
    for status in changes:
        written.write(request, ROUTE, LOOPBACK, None, status)
    assert [line["status"] for line in lines()] == [404, 422] * (audit.REFUSED_LINES // 2) + changes
    now += audit.MINUTE_S - 1
    written.end_minute(now)
    assert len(lines()) == audit.REFUSED_LINES + len(changes)
    now += 1
    written.write(request, ROUTE, LOOPBACK, None, 403)
    summary, again = lines()[-2:]
    assert (summary["refused"], summary["names"]) == (981, {"keeper": 980, "other": 1}) and "status" not in summary
    assert again["status"] == 403
    now += audit.MINUTE_S
    written.end_minute(now)
    assert lines()[-1] == again, "a minute with few refused requests needs no further line"


def test_a_file_that_cannot_be_written_is_named_and_none_is_made(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing" / "audit.jsonl"):
        with pytest.raises(ConfigError, match=r"http\.audit_file: .* cannot be written"):
            Audit(path)
    Audit(tmp_path / "audit.jsonl")
    assert not (tmp_path / "audit.jsonl").exists()


def test_only_names_of_fields_that_the_route_has_are_written() -> None:
    assert known_fields(["seconds", "password123"], ProfilingRequest) == ["?", "seconds"]
    assert known_fields(["source", "x", "y"], {"properties": {"source": {}}}) == ["?", "source"]
    assert known_fields(["x"], None) == ["?"]
    assert known_fields([], None) == []
