"""`partstream fleet check`: what would keep the controller, or an engine on this machine, from starting."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from run_stream import app

ANY = "tcp://127.0.0.1:0"
LOCAL: dict[str, Any] = {"directory": ANY, "replay": ANY, "http": {"bind": "127.0.0.1:0"}}


def check(folder: Path, *, controller: dict[str, Any] | None = None, **settings: Any) -> tuple[int, str]:
    """Run the command for this configuration, and return its exit code and what it says, on one line."""
    content = yaml.safe_dump({"controller": {**LOCAL, **(controller or {})}, **settings})
    (folder / "fleet.yaml").write_text(content)
    done = CliRunner().invoke(app, ["fleet", "check"])
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command is run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_correct_configuration_is_found_correct_and_nothing_is_changed(folder: Path) -> None:
    assert check(folder, cameras=[{"id": "lobby", "source": "pattern:"}]) == (0, "fleet.yaml: correct")
    assert [path.name for path in folder.iterdir()] == ["fleet.yaml"]


def test_what_controller_and_engines_refuse_and_what_no_engine_can_read_is_an_error(folder: Path) -> None:
    controller = {"http": {"bind": "0.0.0.0:0"}, "directory": "tcp://0.0.0.0:0", "store": "fleet.yaml/fleet.db"}
    engine = {"rules_file": "missing.yaml", "http": {"bind": "0.0.0.0:0"}, "model": {"profile": "nope"}}
    background = {"file": "a.png", "sha256": "0" * 64, "approved_by": "Ann"}
    cameras = [
        {"id": "slash", "source": "rtsp://user:pa/ss@10.0.0.7/stream"},
        {"id": "picture", "source": "pattern:", "background": background},
    ]
    code, said = check(folder, controller=controller, engine=engine, cameras=cameras)
    assert code == 2 and "pa/ss" not in said
    for setting in ("http.bind", "directory", "store"):
        assert said.count(f"fleet.yaml: controller.{setting}: ") == 1, said
    for setting in ("rules_file", "http.bind", "model.profile"):
        assert said.count(f"fleet.yaml: engine: {setting}: ") == 1, said
    for setting in ("slash: source: ", "picture: background"):
        assert said.count(f"fleet.yaml: camera {setting}") == 1, said
    keys = {"curve_secret_key_file": "none", "curve_allowed_keys": "none"}
    assert "fleet.yaml: controller.curve_secret_key_file: none" in check(folder, controller=keys)[1]


def test_a_fleet_that_runs_is_no_error(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        directory, http = (f"127.0.0.1:{used.getsockname()[1]}" for used in (one, other))
        running = {"directory": f"tcp://{directory}", "http": {"bind": http}}
        assert check(folder, controller=running) == (0, "fleet.yaml: correct")
