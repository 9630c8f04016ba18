"""`partstream subscribe`: errors of the arguments, and errors while it runs."""

from __future__ import annotations

from typer.testing import CliRunner

from run_stream import app


def test_an_invalid_camera_id_is_a_usage_error() -> None:
    done = CliRunner().invoke(app, ["subscribe", "--camera", "no id"])
    assert done.exit_code == 2
    assert "no id" in done.output
