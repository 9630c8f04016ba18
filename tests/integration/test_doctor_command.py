"""`partstream doctor` finds every planted fault in one run, and none in a correct installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.cameras.rtsp_server import RtspServer
from run_stream import app
from support.engines.small_clips import make_clip

SECRET = "geheim"


def doctor(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Run the doctor, and return the exit code, the findings by check, and the output."""
    done = CliRunner().invoke(app, ["doctor", "--json", *arguments], env=environment)
    answer = json.loads(done.stdout)
    assert answer["ok"] == (done.exit_code == 0)
    return done.exit_code, {one["check"]: one for one in answer["findings"]}, done.output


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    clip = make_clip(tmp_path_factory.mktemp("doctor") / "clip.mp4", frames=50)
    with RtspServer(files={"/clip": clip}, users={"bob": SECRET}) as server:
        yield server


def test_every_planted_fault_is_found_with_its_remedy_and_without_secrets(cameras: RtspServer, tmp_path: Path) -> None:
    config = {
        "cameras": [
            {"id": "wrong", "source": cameras.url("/clip").replace("://", f"://bob:not{SECRET}@")},
            {"id": "off", "source": f"rtsp://bob:{SECRET}@127.0.0.1:1/x"},
        ],
        "model": {"device": "cuda:99"},
        "publish": {"endpoint": "tcp://0.0.0.0:0", "replay": "tcp://127.0.0.1:0"},
        "http": {"bind": "127.0.0.1:0", "control_token": f"{SECRET}-token"},
    }
    (path := tmp_path / "c.yaml").write_text(json.dumps(config))
    code, found, printed = doctor("--config", str(path), PARTSTREAM_CACHE=str(tmp_path / "cache"))
    assert code == 1
    for check, seen, remedy in (
        ("device", "no such CUDA device", "model.device"),
        ("weights", "missing", "partstream weights fetch movenet-multipose"),
        ("camera wrong", "(unauthorised)", "password"),
        ("camera off", "(refused)", "Check host and port"),
    ):
        assert found[check]["level"] == "fault", check
        assert seen in found[check]["seen"]
        assert remedy in found[check]["remedy"]
    assert found["configuration"]["level"] == "fault" and "publish.endpoint" in printed
    assert SECRET not in printed
    assert "Traceback" not in printed


def test_a_correct_installation_has_no_fault_and_the_cameras_clock_is_compared(cameras: RtspServer) -> None:
    camera = cameras.url("/clip").replace("://", f"://bob:{SECRET}@")
    ports = {"PARTSTREAM_PUBLISH__ENDPOINT": "tcp://127.0.0.1:0", "PARTSTREAM_PUBLISH__REPLAY": "tcp://127.0.0.1:0"}
    code, found, printed = doctor(f"door={camera}", "--profile", "free", **ports, PARTSTREAM_HTTP__BIND="127.0.0.1:0")
    assert code == 0, printed
    assert "h264, first picture after" in found["camera door"]["seen"]
    assert found["clock of camera door"]["seen"] == "agrees with this machine's"
    assert SECRET not in printed


def test_an_invalid_configuration_is_the_only_finding(tmp_path: Path) -> None:
    (path := tmp_path / "c.yaml").write_text("cameras: [{id: door, source: 'rtsp://u:geheim@h/x', colour: red}]")
    code, found, printed = doctor("--config", str(path))
    assert code == 1
    assert [*found] == ["configuration"]
    assert "cameras.0 (door).colour" in found["configuration"]["seen"]
    assert SECRET not in printed
