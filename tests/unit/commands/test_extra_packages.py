"""Commands in an installation without the extras of pyproject.toml."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commands.extra_packages import install_command

SCRIPT = """
import json, sys
from importlib.abc import MetaPathFinder

from commands.extra_packages import EXTRAS

class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())

from typer.main import get_command
from typer.testing import CliRunner

from run_stream import app

def paths(command, path=()):
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from paths(below, (*path, name))

calls = [(*path, "--help") for path in paths(get_command(app))] + json.loads(sys.argv[1])
done = [(call, CliRunner().invoke(app, call)) for call in calls]
print(json.dumps([(call, one.exit_code, one.output, repr(one.exception)) for call, one in done]))
"""

NEED = {
    ("archive",): "archive",
    ("notify", "--config", "notify.yaml"): "notify",
    ("rules", "try", "rules.yaml", "archive"): "archive",
    ("data", "generate", "drawn"): "train",
}
"""Calls that need an extra."""


def test_without_the_extras_every_command_shows_its_help_or_names_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "notify.yaml").write_text("targets: {hall: {kind: mqtt, broker: 'mqtt://localhost'}}")
    (tmp_path / "rules.yaml").write_text("rules: {down: {action: lie}}")
    (tmp_path / "archive").mkdir()
    calls = json.dumps([*NEED])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, calls], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for call, code, output, exception in json.loads(done.stdout.splitlines()[-1]):
        extra = NEED.get(tuple(call))
        if extra is None and code == 0:
            continue
        assert code == 2, (call, output, exception)
        assert "is missing. Install it: " in output and (extra is None or f"[{extra}]" in output), (call, output)


def test_a_checkout_is_installed_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    assert install_command("archive", tmp_path) == '.venv/bin/python -m pip install -e ".[archive]"'


def test_an_installed_distribution_comes_from_the_package_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python")
    assert install_command("archive", tmp_path) == "'/opt/my python/bin/python' -m pip install \"partstream[archive]\""
