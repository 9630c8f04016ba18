"""Every command in README and quick start is run, and does what the page says.

Three things differ: `.venv/bin/partstream` is this tree's program, addresses are those of test patterns and of an
engine that these tests start, and the model is the free one. `make` runs with `-n`. Two slow commands are tested in
other files.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from run_stream import app
from stream.config import load
from support.engines.archiving import ask
from support.repository import REPOSITORY
from support.waiting import wait_until

PAGES = ("README.md", "docs/quick-start.md")
ENVIRONMENT = {
    "PARTSTREAM_MODEL__PROFILE": "free",
    "PARTSTREAM_PUBLISH__ENDPOINT": "tcp://127.0.0.1:0",
    "PARTSTREAM_PUBLISH__REPLAY": "tcp://127.0.0.1:0",
    "PARTSTREAM_HTTP__BIND": "127.0.0.1:0",
    "COLUMNS": "160",
}
CAMERAS = {"rtsp://user:password@10.0.0.7/stream": "pattern:128x96@25", "rtsp://10.0.0.8/stream": "pattern:128x96@25"}


def shown(page: str) -> list[str]:
    """Return the commands in the page's code blocks, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (REPOSITORY / page).read_text(), flags=re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


COMMANDS = sorted({command for page in PAGES for command in shown(page)})
RUN = next(command for command in COMMANDS if " run door=" in command)
NEW = next(command for command in COMMANDS if " config new " in command)


def arguments(command: str) -> list[str]:
    for address, ours in CAMERAS.items():
        command = command.replace(address, ours)
    program, *rest = command.split()
    assert program == ".venv/bin/partstream"
    return rest


def started(folder: Path, given: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run_stream.py"), *given],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stopped(process: subprocess.Popen[str]) -> str:
    """End the process with Ctrl-C, and return what it printed until then."""
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate()
    assert process.returncode == 130, printed
    return printed


@dataclass(frozen=True)
class Engine:
    """The engine of the first command, with the addresses in its log."""

    results: str
    replay: str
    http: str

    def metric(self, name: str) -> float:
        with urlopen(f"{self.http}/metrics") as answer:
            return float(re.findall(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), flags=re.MULTILINE)[0])

    def frames(self) -> dict[str, float]:
        """Return the number of processed frames by camera."""
        return {
            camera: self.metric(f'partstream_frames_processed_total{{camera="{camera}"}}')
            for camera in ("door", "yard")
        }


def log_until_live(process: subprocess.Popen[str], cameras: int) -> str:
    assert process.stdout is not None
    log = ""
    for line in process.stdout:
        log += line
        if log.count(": live (") == cameras:
            return log
    raise AssertionError(f"never live:\n{log}")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    process = started(tmp_path_factory.mktemp("engine"), arguments(RUN))
    try:
        log = log_until_live(process, 2)
        endpoints = re.findall(r"results at (\S+), replay at (\S+)", log)[0]
        yield Engine(*endpoints, re.findall(r"http://\S+", log)[0])
        stopped(process)
    finally:
        process.kill()
        process.wait()


# -- one function for each command ------------------------------------------------------------------------------------
def run_is_live(engine: Engine, folder: Path) -> None:
    assert engine.metric("partstream_ready") == 1


def run_reads_a_configuration(engine: Engine, folder: Path) -> None:
    write_configuration(folder)
    process = started(folder, ["run", "--config", "partstream.yaml"])
    log_until_live(process, 2)
    stopped(process)


def configuration_is_written(engine: Engine, folder: Path) -> None:
    command, _, file = NEW.partition(" > ")
    done = CliRunner().invoke(app, arguments(command))
    assert done.exit_code == 0, done.output
    (folder / file).write_text(done.stdout)
    cameras = load(folder / file).cameras
    assert [(camera.id, camera.max_fps, camera.detector_size) for camera in cameras] == [
        ("door", 12.5, (128, 96)),
        ("yard", 12.5, (128, 96)),
    ]


def configuration_is_checked(engine: Engine, folder: Path) -> None:
    write_configuration(folder)
    done = CliRunner().invoke(app, ["config", "check", str(folder / "partstream.yaml")])
    assert done.exit_code == 0, done.output


def write_configuration(folder: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs/quick-start.md").read_text(), flags=re.DOTALL)
    for address, ours in CAMERAS.items():
        text = text.replace(address, ours)
    (folder / "partstream.yaml").write_text(text)


def subscribe_shows_the_cameras(engine: Engine, folder: Path) -> None:
    shows_the_cameras(folder, ["subscribe", engine.results])


def archive_keeps_results(engine: Engine, folder: Path) -> None:
    before = engine.metric("partstream_subscriptions")
    process = started(folder, ["archive", engine.results, "--replay", engine.replay])
    wait_until(lambda: engine.metric("partstream_subscriptions") >= before + 3)
    sent = engine.frames()
    wait_until(lambda: all(engine.frames()[camera] > count + 5 for camera, count in sent.items()))
    stopped(process)
    assert ask(folder / "archive", "SELECT DISTINCT camera FROM {frames} ORDER BY 1") == [("door",), ("yard",)]


def shows_the_cameras(folder: Path, given: list[str]) -> None:
    """Run a command in a terminal until it shows both cameras; then Ctrl-C ends it."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run_stream.py"), *given],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, "LINES": "40", "TERM": "xterm"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    printed = b""
    try:
        while b"door" not in printed or b"yard" not in printed:
            printed += os.read(terminal, 65536)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # all of the terminal's other side is closed
            while more := os.read(terminal, 65536):
                printed += more
        assert process.wait() == 130, printed.decode(errors="replace")
    finally:
        os.close(terminal)
        process.kill()
        process.wait()


PARTSTREAM = ".venv/bin/partstream"
TRIED: dict[str, Callable[[Engine, Path], None]] = {
    RUN: run_is_live,
    f"{PARTSTREAM} run --config partstream.yaml": run_reads_a_configuration,
    NEW: configuration_is_written,
    f"{PARTSTREAM} config check partstream.yaml": configuration_is_checked,
    f"{PARTSTREAM} subscribe tcp://127.0.0.1:5555": subscribe_shows_the_cameras,
    f"{PARTSTREAM} archive": archive_keeps_results,
}
TRIED_ELSEWHERE = {
    f"{PARTSTREAM} run clip.mp4 --pace fast --once --results out.jsonl": (
        "test_command_line.py",
        "test_a_file_read_fast_gives_one_line_per_frame_and_exit_code_0",
    ),
    f"{PARTSTREAM} doctor": (
        "test_doctor_command.py",
        "test_a_correct_installation_has_no_fault_and_the_cameras_clock_is_compared",
    ),
}
"""File and test."""


@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.startswith("make ")])
def test_each_command_does_what_the_page_says(command: str, engine: Engine, tmp_path: Path) -> None:
    if command in TRIED_ELSEWHERE:
        file, test = TRIED_ELSEWHERE[command]
        assert f"def {test}(" in (Path(__file__).parent / file).read_text()
        return
    assert command in TRIED, f"{command!r} is new in {' or '.join(PAGES)}: add a test for it here"
    TRIED[command](engine, tmp_path)


def test_every_command_and_option_in_the_text_exists() -> None:
    """In the text and in comments, such as `partstream keys new`."""
    text = "".join((REPOSITORY / page).read_text() for page in PAGES)
    named = set(re.findall(r"`partstream ([a-z][^`]*)`|[:#] partstream ([a-z].*)$", text, flags=re.MULTILINE))
    named = {(" ".join(one or other for one, other in [pair])).split(":")[0] for pair in named}
    assert len(named) > 5
    program = get_command(app)
    for words in sorted(named):
        command = program
        for word in words.replace("\n", " ").split():
            if word.startswith("--"):
                options = [option for parameter in command.params for option in parameter.opts]
                assert word in options, f"partstream {words}"
            elif hasattr(command, "commands"):
                assert word in command.commands, f"partstream {words}"  # pyright: ignore[reportAttributeAccessIssue]
                command = command.commands[word]  # pyright: ignore[reportAttributeAccessIssue]
