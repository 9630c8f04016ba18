"""`partstream fleet restart` that is interrupted."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands.fleet import command
from run_stream import app


def test_an_interrupted_restart_does_not_say_that_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(work: Coroutine[Any, Any, int]) -> int:
        work.close()
        return 130

    monkeypatch.setattr(command, "until_signal", interrupted)
    file = tmp_path / "fleet.yaml"
    file.write_text(f"cluster: {{state_directory: {tmp_path}}}\n")
    done = CliRunner().invoke(app, ["fleet", "restart", "engine", "--config", str(file)])
    assert (done.exit_code, done.output) == (130, "")
