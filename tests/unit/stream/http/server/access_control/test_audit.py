"""The audit file: rotated by size, and refused where it cannot be written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp.test_utils import make_mocked_request

from stream.http.endpoints.profiling_api import ProfilingRequest
from stream.http.server.access_control import audit
from stream.http.server.access_control.access import LOOPBACK
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
