"""The benchmark of a simulated fleet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import main


def test_a_simulation_is_written_with_its_figures_and_goals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    arguments = ["--cameras", "20", "40", "--engines", "4", "5", "--minutes", "0.5", "--failing", "0.5"]
    assert main.main(["fleet-simulation", *arguments, "--json", str(file)]) == 0
    cases = json.loads(file.read_text())["cases"]
    assert [(case["load"]["cameras"], case["outcome"]["failed_nodes"]) for case in cases] == [(20, 1), (40, 1)]
    assert all(case["figures"]["moves_per_failed_camera"] == 1 and case["goals"]["moves"] for case in cases)
    assert "40 on 5" in capsys.readouterr().out


def test_loads_without_engines_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["fleet-simulation", "--cameras", "20", "--engines", "4", "5"]) == 2
    assert "same number of values" in " ".join(capsys.readouterr().err.replace("│", " ").split())
