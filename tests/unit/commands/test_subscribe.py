"""`partstream subscribe`: errors of the arguments, and errors while it runs."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from commands.console import watch as watching
from run_stream import app


def test_an_invalid_camera_id_is_a_usage_error() -> None:
    done = CliRunner().invoke(app, ["subscribe", "--camera", "no id"])
    assert done.exit_code == 2
    assert "no id" in done.output


def test_a_bug_while_it_watches_is_not_shown_as_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> int:
        raise ValueError("no such luck")

    monkeypatch.setattr(watching, "watch", broken)
    done = CliRunner().invoke(app, ["subscribe"])
    assert isinstance(done.exception, ValueError)
