"""Tests of the benchmarks' command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import main


def test_figures_are_written_outside_the_published_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Measured:
        def as_json(self) -> dict[str, Any]:
            return {"batches": []}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main.model_bench, "measure", lambda *_: Measured())
    monkeypatch.setattr(main, "print_model", lambda *_: None)
    assert main.main(["model", "--quick"]) == 0
    assert (tmp_path / "build/benchmarks/model-quick.json").is_file()
    assert "written to build/benchmarks/model-quick.json" in capsys.readouterr().out
