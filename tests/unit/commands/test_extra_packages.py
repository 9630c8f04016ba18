"""Tests of the command that installs optional packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from commands.extra_packages import install_command


def test_a_checkout_is_installed_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    assert install_command("archive", tmp_path) == '.venv/bin/python -m pip install -e ".[archive]"'


def test_elsewhere_paths_are_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python")
    command = install_command("archive", tmp_path)
    assert command == f"'/opt/my python/bin/python' -m pip install -e \"{tmp_path}[archive]\""


def test_an_installed_distribution_comes_from_the_package_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert install_command("archive", tmp_path) == '/usr/bin/python3 -m pip install "partstream[archive]"'
