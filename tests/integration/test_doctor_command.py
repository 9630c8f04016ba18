"""`partstream doctor` as a process: it finds every planted fault in one run, and none in a correct installation."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.small_clips import make_clip
from support.repository import REPOSITORY

SECRET = "geheim"


def doctor(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Run the doctor, and return the exit code, the findings by check, and the output."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "run_stream.py"), "doctor", "--json", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"] == (done.returncode == 0)
    return done.returncode, {one["check"]: one for one in answer["findings"]}, done.stdout + done.stderr


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    clip = make_clip(tmp_path_factory.mktemp("doctor") / "clip.mp4", frames=50)
    with RtspServer(files={"/clip": clip}, users={"bob": SECRET}) as server:
        yield server


@pytest.fixture
def five_seconds_ahead() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + 5, usegmt=True)

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_planted_fault_is_found_with_its_remedy_and_without_secrets(
    cameras: RtspServer, five_seconds_ahead: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config = {
            "cameras": [
                {"id": "wrong", "source": cameras.url("/clip").replace("://", f"://bob:not{SECRET}@")},
                {"id": "off", "source": f"rtsp://bob:{SECRET}@127.0.0.1:1/x"},
            ],
            "model": {"device": "cuda:99"},
            "publish": {"endpoint": f"tcp://127.0.0.1:{port}", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": f"127.0.0.1:{port}", "control_token": f"{SECRET}-token"},
            "recording": {"directory": str(tmp_path / "clips"), "least_free": 10**18},
        }
        (path := tmp_path / "c.yaml").write_text(json.dumps(config))
        code, found, printed = doctor(
            "--config", str(path), "--time-from", five_seconds_ahead, PARTSTREAM_CACHE=str(tmp_path / "cache")
        )
    assert code == 1
    for check, seen, remedy in (
        ("device", "no such CUDA device", "model.device"),
        ("weights", "missing", "partstream weights fetch movenet-multipose"),
        ("publish.endpoint", f"process {os.getpid()}", "another port"),
        ("http.bind", f"process {os.getpid()}", "another port"),
        ("recording.directory", "less than recording.least_free", "Free some space"),
        ("clock", "behind http://127.0.0.1", "NTP"),
        ("camera wrong", "(unauthorised)", "password"),
        ("camera off", "(refused)", "Check host and port"),
    ):
        assert found[check]["level"] == "fault", check
        assert seen in found[check]["seen"]
        assert remedy in found[check]["remedy"]
    assert found["publish.replay"]["level"] == "ok"
    assert found["self-test"]["level"] == "warning"
    assert SECRET not in printed
    assert "Traceback" not in printed


def test_a_correct_installation_has_no_fault_and_the_cameras_clock_is_compared(cameras: RtspServer) -> None:
    camera = cameras.url("/clip").replace("://", f"://bob:{SECRET}@")
    ports = {"PARTSTREAM_PUBLISH__ENDPOINT": "tcp://127.0.0.1:0", "PARTSTREAM_PUBLISH__REPLAY": "tcp://127.0.0.1:0"}
    code, found, printed = doctor(f"door={camera}", "--profile", "free", **ports, PARTSTREAM_HTTP__BIND="127.0.0.1:0")
    assert code == 0, printed
    assert "h264, first picture after" in found["camera door"]["seen"]
    assert found["cameras' clocks"]["seen"] == "1 agrees with this machine's"
    assert "frames analysed" in found["self-test"]["seen"]
    assert SECRET not in printed


def test_an_invalid_configuration_is_the_only_finding(tmp_path: Path) -> None:
    (path := tmp_path / "c.yaml").write_text("cameras: [{id: door, source: 'rtsp://u:geheim@h/x', colour: red}]")
    code, found, printed = doctor("--config", str(path))
    assert code == 1
    assert [*found] == ["configuration"]
    assert "cameras.0 (door).colour" in found["configuration"]["seen"]
    assert SECRET not in printed
