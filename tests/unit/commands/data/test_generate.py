"""`data generate` reports errors before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from run_stream import app

GENERATE = ["data", "generate"]


def refused(arguments: list[str], code: int) -> str:
    result = CliRunner().invoke(app, [*GENERATE, *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--actions", "walk,fly"], "unknown actions fly; there are stand, walk, run"),
        (["--seed", "-1"], "seed -1"),
        (["--videos", "3", "--per-action", "2"], "not both"),
    ],
)
def test_a_wrong_argument_is_refused_and_nothing_is_written(arguments: list[str], message: str, tmp_path: Path) -> None:
    assert message in refused([str(tmp_path / "new"), *arguments], 2)
    assert not (tmp_path / "new").exists()


def test_without_a_body_model_in_the_cache_the_error_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "cache"))
    assert "weights fetch body" in refused([str(tmp_path / "new")], 3)
    assert not (tmp_path / "new").exists()
