"""`partstream fleet check`: what would keep the controller, or an engine on this machine, from starting."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from run_stream import app

LOCAL: dict[str, Any] = {
    "directory": "tcp://127.0.0.1:0",
    "replay": "tcp://127.0.0.1:0",
    "http": {"bind": "127.0.0.1:0"},
}


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


@pytest.mark.parametrize(
    ("controller", "setting"),
    [
        ({"http": {"bind": "0.0.0.0:0"}}, "controller.http.bind: "),
        ({"http": {"bind": "127.0.0.1:0", "tokens_file": "missing.yaml"}}, "controller.http.tokens_file: missing.yaml"),
        ({"directory": "tcp://0.0.0.0:0"}, "controller.directory: "),
        ({"replay": "tcp://0.0.0.0:0"}, "controller.replay: "),
        ({"store": "fleet.yaml/fleet.db"}, "controller.store: "),
        ({"curve_secret_key_file": "none", "curve_allowed_keys": "none"}, "controller.curve_secret_key_file: none"),
    ],
)
def test_what_the_controller_refuses_is_an_error(folder: Path, controller: dict[str, Any], setting: str) -> None:
    code, said = check(folder, controller=controller)
    assert code == 2 and said.count(f"fleet.yaml: {setting}") == 1


def test_what_engines_refuse_and_what_no_engine_can_read_is_an_error(folder: Path) -> None:
    engine = {"rules_file": "missing.yaml", "http": {"bind": "0.0.0.0:0"}, "model": {"profile": "nope"}}
    background = {"file": "a.png", "sha256": "0" * 64, "approved_by": "Ann"}
    cameras = [
        {"id": "slash", "source": "rtsp://user:pa/ss@10.0.0.7/stream"},
        {"id": "picture", "source": "pattern:", "background": background},
    ]
    code, said = check(folder, engine=engine, cameras=cameras)
    assert code == 2 and "pa/ss" not in said
    for setting in ("rules_file", "http.bind", "model.profile"):
        assert said.count(f"fleet.yaml: engine: {setting}: ") == 1, said
    for setting in ("slash: source: ", "picture: background"):
        assert said.count(f"fleet.yaml: camera {setting}") == 1, said


def test_a_fleet_that_runs_is_no_error(folder: Path) -> None:
    with ExitStack() as sockets:
        ports = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(4)]
        directory, replay, http, publish = (f"127.0.0.1:{port}" for port in ports)
        running = {"directory": f"tcp://{directory}", "replay": f"tcp://{replay}", "http": {"bind": http}}
        engine = {"publish": {"endpoint": f"tcp://{publish}", "replay": "tcp://127.0.0.1:0"}}
        assert check(folder, controller=running, engine=engine) == (0, "fleet.yaml: correct")
