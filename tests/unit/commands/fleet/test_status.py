"""The status of a fleet, as coordinators of other releases answer."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from commands.fleet import control
from run_stream import app


def test_the_status_of_a_coordinator_of_an_earlier_release_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = {"engine": "a", "node": "vm", "state": "leased", "cameras": 1}
    figures = {"load": 2.0, "capacity": 50.0, "age_ms": 40.0, "dropped": 0.0}
    status: dict[str, Any] = {
        "ready": True,
        "settled": True,
        "unwritten": 0,
        "engines": [engine | figures],
        "cameras": {"placed": 0},
        "reasons": [],
        "unplaced": {},
        "failed": {},
        "starting": [],
        "drains": {},
    }
    monkeypatch.setattr(control, "ask", lambda url, token, work: (status, {}))
    shown = CliRunner().invoke(app, ["fleet", "status"])
    assert (shown.exit_code, shown.exception) == (0, None)
    assert "leased" in shown.output
