"""The program: its output and exit code, as a process where that matters, for it takes seconds of a core to start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from run_stream import app
from stream.messaging import results_file
from support.repository import REPOSITORY
from support.waiting import wait_until

PORTS = ["--pub", "tcp://127.0.0.1:0", "--replay", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"]


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "run_stream.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", **environment},
        check=False,
    )


def answered(*arguments: str, **environment: str) -> Result:
    """Run a command that ends at once in this process, which has imported the program already."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **environment})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip of sixty grey pictures at 25 fps."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"  # pyright: ignore[reportAttributeAccessIssue]
        for number in range(60):
            picture = av.VideoFrame.from_ndarray(np.full((96, 160, 3), number * 4, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))  # pyright: ignore[reportAttributeAccessIssue]
        container.mux(stream.encode(None))  # pyright: ignore[reportAttributeAccessIssue]
    return path


@pytest.fixture(scope="module")
def read(clip: Path) -> subprocess.CompletedProcess[str]:
    """Return how the program ended that read the clip fast, with results in `results.jsonl` and logs as JSON."""
    out = ("--results", str(clip.with_name("results.jsonl")))
    return command("run", str(clip), "--profile", "free", "--pace", "fast", "--once", "--json", *out, *PORTS)


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            sys.executable,
            str(REPOSITORY / "run_stream.py"),
            "run",
            "door=pattern:128x96@50",
            "--profile",
            "free",
            *PORTS,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


def line_with(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    read: list[str] = []
    for line in process.stdout:
        read.append(line)
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"{pattern!r} was never printed:\n{''.join(read)}")


def test_a_file_read_fast_gives_one_line_per_frame_and_exit_code_0(
    clip: Path, read: subprocess.CompletedProcess[str]
) -> None:
    assert read.returncode == 0, read.stderr
    lines = [json.loads(line) for line in clip.with_name("results.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(60))
    assert {line["camera"] for line in lines} == {"cam0"}
    assert lines[-1]["media_time_us"] == 59 * 40_000


def test_a_run_whose_results_could_not_all_be_written_ends_with_code_1_and_their_number(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_file, "_begun", lambda path: os.open("/dev/full", os.O_WRONLY))
    out = ("--results", str(clip.with_name("full.jsonl")))
    done = answered("run", str(clip), "--profile", "free", "--pace", "fast", "--once", *out, *PORTS)
    assert done.exit_code == 1
    assert "full.jsonl: 60 results could not be written" in done.stderr


def test_a_running_engine_serves_health_and_metrics_until_a_signal_ends_it_with_its_code(
    running: subprocess.Popen[str],
) -> None:
    address = line_with(running, r"http://(127\.0\.0\.1:\d+)")[1]
    line_with(running, r"live \(epoch")

    def is_ready() -> bool:
        try:
            return urllib.request.urlopen(f"http://{address}/readyz").status == 200
        except urllib.error.HTTPError:
            return False

    def has_processed_frames() -> object:
        page = urllib.request.urlopen(f"http://{address}/metrics").read().decode()
        return re.search(r'partstream_frames_processed_total\{camera="door"\} [1-9]', page)

    wait_until(is_ready)
    wait_until(has_processed_frames)
    running.send_signal(signal.SIGTERM)
    assert running.wait() == 128 + signal.SIGTERM


def test_a_run_without_sources_is_a_usage_error_with_a_remedy() -> None:
    done = answered("run", "--profile", "free")
    assert done.exit_code == 2
    assert "no cameras" in done.stderr


def test_a_wrong_configuration_ends_with_code_2_and_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: [{id: door, source: 'rtsp://u:hunter2@h/x', colour: red}]")
    done = answered("config", "check", str(path))
    assert done.exit_code == 2
    assert "cameras.0 (door).colour" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_a_checked_configuration_is_printed_without_its_secrets(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: [{id: door, source: 'rtsp://u:hunter2@h/x'}]\nhttp: {read_token: s3cret}\n")
    done = answered("config", "check", "--print", str(path))
    assert done.exit_code == 0
    assert json.loads(done.stdout)["cameras"][0]["source"] == "rtsp://h/x"
    assert "hunter2" not in done.stdout
    assert "s3cret" not in done.stdout


def test_missing_weights_exit_with_3_and_name_the_command_to_run(tmp_path: Path) -> None:
    done = answered("run", "pattern:", *PORTS, PARTSTREAM_CACHE=str(tmp_path / "empty"))
    assert done.exit_code == 3
    assert "weights fetch" in done.stderr


def test_a_port_in_use_ends_with_code_2_and_names_the_field() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        done = answered("run", "pattern:", "--profile", "free", "--pub", endpoint, *PORTS[2:])
    assert done.exit_code == 2
    assert "publish.endpoint" in done.stderr
