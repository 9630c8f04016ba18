"""Tests of the coordinator's process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from commands.ending import EXIT_USAGE
from commands.fleet.coordinate import main
from support.repository import REPOSITORY

_START = """
import sys
from pathlib import Path
import commands.fleet.coordinate as coordinate
from fleet.coordinator.service import CoordinatorService
from fleet.settings import load

CoordinatorService(load(sys.argv[1]))
print(sorted(sys.modules.keys() & {"aiortc", "av", "numpy", "pyarrow", "ray", "rich", "torch", "typer"}))
"""


def test_a_coordinator_starts_without_what_only_engines_and_commands_need(tmp_path: Path) -> None:
    config = tmp_path / "fleet.yaml"
    config.write_text("cameras: [{id: lobby, source: 'pattern:'}]")
    done = subprocess.run(
        [sys.executable, "-c", _START, config], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_an_error_in_its_configuration_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "fleet.yaml"
    config.write_text("placement: {fance: strict}")
    assert main(str(config)) == EXIT_USAGE
    assert "placement.fance" in capsys.readouterr().err
