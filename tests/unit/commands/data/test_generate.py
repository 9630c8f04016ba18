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


def test_an_unknown_action_is_named_with_the_known_ones(tmp_path: Path) -> None:
    words = refused([str(tmp_path / "new"), "--actions", "walk,fly"], 2)
    assert "unknown actions fly; there are stand, walk, run" in words
    assert not (tmp_path / "new").exists()


def test_a_negative_seed_and_two_counts_are_refused(tmp_path: Path) -> None:
    assert "seed -1" in refused([str(tmp_path / "new"), "--seed", "-1"], 2)
    assert "not both" in refused([str(tmp_path / "new"), "--videos", "3", "--per-action", "2"], 2)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_other_files_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    assert "already holds something else, such as letters" in refused([str(tmp_path)], 2)
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


def test_without_a_body_model_in_the_cache_the_error_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "cache"))
    assert "weights fetch body" in refused([str(tmp_path / "new")], 3)
    assert not (tmp_path / "new").exists()
