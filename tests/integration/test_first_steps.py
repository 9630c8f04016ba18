"""Mistakes of a new user: each is reported at once, with a remedy and an exit code."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import yaml
from typer.testing import CliRunner, Result

from commands.run import serve
from run_stream import app
from stream.config import Config
from support.repository import REPOSITORY
from support.waiting import until

PORTS = ("--pub", "tcp://127.0.0.1:0", "--replay", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0")


def answered(*arguments: str) -> Result:
    """Run a command that ends by itself in this process, which has imported the program already."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command whose standard output and error can be read meanwhile."""
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run_stream.py"), *arguments],
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Return the output up to the line that matches."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if re.search(pattern, line):
            return read
    raise AssertionError(f"{pattern!r} was never printed:\n{read}")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a port at which nothing listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def test_a_subscriber_without_an_engine_reports_it_and_continues_to_wait(closed_port: int) -> None:
    with started("subscribe", f"127.0.0.1:{closed_port}") as process:
        read = read_until(process, "Still waiting")
        assert f"Nothing answers at tcp://127.0.0.1:{closed_port} yet" in read
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate()[0]
        assert process.returncode == 130


class Run(NamedTuple):
    """What an engine printed from its start to its end, and what a subscriber printed."""

    engine: str
    subscriber: str


@pytest.fixture(scope="module")
def run() -> Run:
    """Run an engine until a subscriber, which is given a host and a port, has received a frame."""
    with started("run", "door=pattern:128x96@50", "--profile", "free", *PORTS) as engine:
        printed = read_until(engine, r": live \(")
        with started("subscribe", re.findall(r"results at tcp://(\S+),", printed)[0], "--raw") as process:
            received = read_until(process, "partstream.frame/1")
        engine.send_signal(signal.SIGINT)
        return Run(printed + engine.communicate()[0], received)


async def test_run_repeats_what_is_missing_and_ends_with_code_4_when_it_is_stopped(
    closed_port: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Config.model_validate(
        {
            "cameras": [{"id": "door", "source": f"rtsp://127.0.0.1:{closed_port}/x", "reconnect_initial_s": 0.05}],
            "model": {"profile": "free"},
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
        }
    )
    running = asyncio.create_task(serve(settings, table=False, remind_every_s=0.2))
    await until(lambda: running.done() or caplog.text.count("not live for") >= 2)
    assert not running.done()
    assert f"camera door: nothing listens at rtsp://127.0.0.1:{closed_port}/x" in caplog.text
    running.cancel()
    assert await running == 4
    assert "stopped before any source opened" in capsys.readouterr().err


def test_a_file_that_is_missing_ends_run_as_a_wrong_argument_and_with_once_with_code_4() -> None:
    for more, code in (((), 2), (("--once",), 4)):
        done = answered("run", "yard=absent.mp4", "--profile", "free", *more, *PORTS)
        assert done.exit_code == code
        assert "camera yard: there is no file absent.mp4" in done.stderr
        assert "no source opened" in done.stderr


@pytest.mark.parametrize("source", ["0", "/dev/video0", "door=0", "door=/dev/video0"])
def test_a_webcam_needs_no_scheme(source: str) -> None:
    done = answered("config", "new", source)
    (camera,) = yaml.safe_load(done.stdout)["cameras"]
    assert camera["source"] == "device:/dev/video0"
