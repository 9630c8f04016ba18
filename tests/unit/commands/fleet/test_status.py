"""The status of a fleet, as coordinators of other releases answer."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from commands.fleet import control
from run_stream import app


def test_a_coordinator_that_tells_of_no_ended_engines_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    status: dict[str, Any] = {
        "ready": True,
        "settled": True,
        "unwritten": 0,
        "engines": [],
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
    assert "no engine has joined" in shown.output
