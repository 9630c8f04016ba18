"""`partstream footage score` says before its work that a file cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from run_stream import app


@pytest.mark.parametrize("options", [(), ("--data", ".")])
@pytest.mark.parametrize("name", [".", "gone/scores.json", "a" * 300])
def test_a_place_for_scores_that_is_no_file_is_an_error_before_the_footage_is_run(
    options: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner(env={"COLUMNS": "600"}).invoke(app, ["footage", "score", "--json", name, *options])
    assert done.exit_code == 2 and f"--json {name}: can't be written" in done.output
    assert not list(tmp_path.iterdir())
