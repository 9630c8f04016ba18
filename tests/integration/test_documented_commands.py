"""Every command that README and quick start show does what they say: each is run as it is written.

But for three things: `.venv/bin/partstream` is this tree's, addresses are those of cameras and engines that are here,
and the model costs nothing. `make` only says what it would do. Two that take seconds are run by other tests.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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

PAGES = ("README.md", "docs/quick-start.md")
ENVIRONMENT = {
    "PARTSTREAM_MODEL__PROFILE": "free",
    "PARTSTREAM_PUBLISH__ENDPOINT": "tcp://127.0.0.1:0",
    "PARTSTREAM_PUBLISH__REPLAY": "tcp://127.0.0.1:0",
    "PARTSTREAM_HTTP__BIND": "127.0.0.1:0",
    "COLUMNS": "160",
}
CAMERAS = {
    "rtsp://user:password@10.0.0.7/stream": "pattern:128x96@25",
    "rtsp://10.0.0.8/stream": "pattern:128x96@25",
}


def shown(page: str) -> list[str]:
    """The commands of its blocks, without comments."""
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
    """What it printed until Ctrl-C ended it."""
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate()
    assert process.returncode == 130, printed
    return printed


@dataclass(frozen=True)
class Engine:
    """The engine of the first command, as its log names it."""

    results: str
    replay: str
    http: str

    def metric(self, name: str) -> float:
        with urlopen(f"{self.http}/metrics") as answer:
            return float(re.findall(rf"^{name} (\S+)$", answer.read().decode(), flags=re.MULTILINE)[0])


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
    stopped_when_done(folder, ["subscribe", engine.results], lambda printed: "door" in printed and "yard" in printed)


def top_shows_the_cameras(engine: Engine, folder: Path) -> None:
    stopped_when_done(folder, ["top", engine.http], lambda printed: "door" in printed and "yard" in printed)


def archive_keeps_results(engine: Engine, folder: Path) -> None:
    def kept(printed: str) -> bool:
        if not (folder / "archive" / "frames").exists():  # stopped while it was starting
            return False
        return ask(folder / "archive", "SELECT DISTINCT camera FROM {frames} ORDER BY 1") == [("door",), ("yard",)]

    stopped_when_done(folder, ["archive", engine.results, "--replay", engine.replay], kept)


def stopped_when_done(folder: Path, given: list[str], done: Callable[[str], bool]) -> None:
    """Ctrl-C ends it well; by then it has done this. On a busy machine it is given longer and longer for that."""
    for attempt in itertools.count():
        process = started(folder, given)
        time.sleep(1.5 * 2**attempt)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
        if process.returncode == 130 and done(printed):
            return


PARTSTREAM = ".venv/bin/partstream"
TRIED: dict[str, Callable[[Engine, Path], None]] = {
    RUN: run_is_live,
    f"{PARTSTREAM} run --config partstream.yaml": run_reads_a_configuration,
    NEW: configuration_is_written,
    f"{PARTSTREAM} config check partstream.yaml": configuration_is_checked,
    f"{PARTSTREAM} subscribe tcp://127.0.0.1:5555": subscribe_shows_the_cameras,
    f"{PARTSTREAM} archive": archive_keeps_results,
    f"{PARTSTREAM} top": top_shows_the_cameras,
}
TRIED_ELSEWHERE = {
    f"{PARTSTREAM} run clip.mp4 --pace fast --once --results out.jsonl": (
        "test_command_line.py",
        "test_a_file_read_fast_gives_one_line_a_frame_and_ends_well",
    ),
    f"{PARTSTREAM} doctor": (
        "test_doctor_command.py",
        "test_a_machine_that_is_well_has_no_fault_and_the_cameras_clock_is_seen",
    ),
}
"""File and test."""


@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.startswith("make ")])
def test_a_command_of_the_pages_does_what_they_say(command: str, engine: Engine, tmp_path: Path) -> None:
    if command in TRIED_ELSEWHERE:
        file, test = TRIED_ELSEWHERE[command]
        assert f"def {test}(" in (Path(__file__).parent / file).read_text()
        return
    assert command in TRIED, f"{command!r} is new on {' or '.join(PAGES)}: say here how it is tried"
    TRIED[command](engine, tmp_path)


def test_no_command_is_tried_that_the_pages_do_not_show() -> None:
    assert {*TRIED, *TRIED_ELSEWHERE} <= set(COMMANDS)


def test_every_target_of_make_that_is_named_has_something_to_do() -> None:
    text = "".join((REPOSITORY / page).read_text() for page in PAGES)
    targets = {*re.findall(r"^make (\w+)", text, flags=re.MULTILINE), *re.findall(r"`make (\w+)`", text)}
    assert {"demo", "test"} <= targets
    for target in sorted(targets | {"docs", "lint", "soak", "bench", "train"}):
        done = subprocess.run(
            ["make", "-n", target, f"PYTHON={sys.executable}"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert ".venv" in done.stdout, f"make {target} does nothing"


def test_every_command_and_option_named_in_passing_exists() -> None:
    """Those in the text and in comments, such as `partstream keys new`."""
    text = "".join((REPOSITORY / page).read_text() for page in PAGES)
    named = set(re.findall(r"`partstream ([a-z][^`]*)`|[:#] partstream ([a-z].*)$", text, flags=re.MULTILINE))
    named = {(" ".join(one or other for one, other in [pair])).split(":")[0] for pair in named}
    assert len(named) > 5
    for words in sorted(named):
        command = get_command(app)
        for word in words.replace("\n", " ").split():
            if word.startswith("--"):
                options = [option for parameter in command.params for option in parameter.opts]
                assert word in options, f"partstream {words}"
            elif hasattr(command, "commands"):
                assert word in command.commands, f"partstream {words}"  # pyright: ignore[reportAttributeAccessIssue]
                command = command.commands[word]  # pyright: ignore[reportAttributeAccessIssue]
