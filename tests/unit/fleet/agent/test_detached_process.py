"""Processes that outlive the one that started them."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.agent.detached_process import DetachedProcess, RunningProcess
from fleet.agent.launch import EXIT_NO_PROGRAM, EXIT_RUNNING, hold, start_ticks
from support.waiting import until

STARTER = """
import sys
from pathlib import Path
from fleet.agent.detached_process import DetachedProcess
DetachedProcess("engine", sys.argv[2:], Path(sys.argv[1])).start("run-0")
"""
SLEEP = ("sleep", "600")
BLOCK_BYTES = 4096


def last_run(process: DetachedProcess) -> str | None:
    last = process.last()
    return None if last is None else last.run


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@pytest.fixture
def started() -> Iterator[list[RunningProcess]]:
    """Processes to end after the test."""
    processes: list[RunningProcess] = []
    yield processes
    for process in processes:
        if process._descriptor >= 0:
            process.send(signal.SIGKILL)
            process.leave()


async def running(process: DetachedProcess, started: list[RunningProcess], run: str = "run-0") -> RunningProcess:
    """Start the process, and wait until it holds the lock."""
    started.append(process.start(run))
    await until(lambda: last_run(process) == run)
    return started[-1]


async def test_the_exit_code_of_a_started_process_is_known(tmp_path: Path) -> None:
    assert await DetachedProcess("engine", python("raise SystemExit(7)"), tmp_path).start("run-0").ended() == 7


async def test_a_signal_is_a_negative_exit_code(tmp_path: Path, started: list[RunningProcess]) -> None:
    process = await running(DetachedProcess("engine", SLEEP, tmp_path), started)
    process.send(signal.SIGKILL)
    assert await process.ended() == -signal.SIGKILL
    process.send(signal.SIGTERM)  # ignored


async def test_a_program_that_does_not_exist_is_named_in_the_log(tmp_path: Path) -> None:
    process = DetachedProcess("engine", ["no-such-program"], tmp_path)
    assert await process.start("run-0").ended() == EXIT_NO_PROGRAM
    assert "no-such-program" in process.log.read_text()


async def test_a_process_has_its_own_session_directory_environment_and_log(tmp_path: Path) -> None:
    text = "import os; print(os.getsid(0) == os.getpid(), os.getcwd(), os.environ['A'], os.environ['B'], flush=True)"
    process = DetachedProcess("engine", python(text), tmp_path, directory=Path("/"), environment={"A": "1"})
    assert await process.start("run-0", {"B": "2"}).ended() == 0
    assert process.log.read_text() == "True / 1 2\n"
    assert (process.log.stat().st_mode & 0o777, (tmp_path / "engine.lock").stat().st_mode & 0o777) == (0o600, 0o600)


async def test_a_process_inherits_no_open_files(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    text = "import os; print([os.readlink(f'/proc/self/fd/{name}') for name in (3, 4)])"
    try:
        await DetachedProcess("engine", python(f"try:\n {text}\nexcept OSError: pass"), tmp_path).start("run-0").ended()
    finally:
        os.close(writer)
        os.close(reader)
    assert "pipe" not in (tmp_path / "engine.log").read_text()


async def test_only_one_process_has_the_lock(tmp_path: Path, started: list[RunningProcess]) -> None:
    process = DetachedProcess("engine", SLEEP, tmp_path)
    await running(process, started)
    assert await process.start("run-1").ended() == EXIT_RUNNING
    assert (process.is_running(), last_run(process)) == (True, "run-0")


async def test_a_process_is_adopted_after_the_end_of_the_one_that_started_it(
    tmp_path: Path, started: list[RunningProcess]
) -> None:
    subprocess.run([sys.executable, "-c", STARTER, str(tmp_path), *SLEEP], check=True)
    process = DetachedProcess("engine", ["not", "used"], tmp_path)
    adopted = await until(process.adopt)
    assert adopted is not None
    started.append(adopted)
    assert (adopted.run, adopted.adopted, adopted.command) == ("run-0", True, SLEEP)
    await until(lambda: Path(f"/proc/{adopted.pid}/cmdline").read_bytes() == b"sleep\x00600\x00")
    assert await adopted.stop() is None
    assert not process.is_running()
    assert process.adopt() is None
    assert last_run(process) == "run-0"


async def test_nothing_is_adopted_before_the_first_start(tmp_path: Path) -> None:
    process = DetachedProcess("engine", SLEEP, tmp_path)
    assert (process.adopt(), process.is_running(), last_run(process)) == (None, False, None)


async def test_a_process_that_got_the_pid_later_is_not_adopted(tmp_path: Path, started: list[RunningProcess]) -> None:
    process = DetachedProcess("engine", SLEEP, tmp_path)
    await running(process, started)
    lock = tmp_path / "engine.lock"
    state = json.loads(lock.read_bytes())
    for pid, ticks in ((os.getpid(), state["started"] + 1), (state["pid"], state["started"] - 1), (2**22 + 1, 1)):
        lock.write_text(json.dumps(state | {"pid": pid, "started": ticks}))
        assert process.adopt() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "1", "run": "x"}', '{"pid": 1}', "\xff"])
async def test_a_file_that_says_nothing_is_not_followed(
    tmp_path: Path, started: list[RunningProcess], text: str
) -> None:
    process = DetachedProcess("engine", SLEEP, tmp_path)
    await running(process, started)
    (tmp_path / "engine.lock").write_text(text, encoding="latin-1")
    assert (process.adopt(), last_run(process), process.is_running()) == (None, None, True)


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path, started: list[RunningProcess]) -> None:
    text = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    process = DetachedProcess("engine", python(text), tmp_path)
    stubborn = await running(process, started)
    await until(lambda: process.log.read_text())
    assert await stubborn.stop(within_s=0) == -signal.SIGKILL


async def test_a_process_that_is_left_goes_on(tmp_path: Path, started: list[RunningProcess]) -> None:
    process = DetachedProcess("engine", SLEEP, tmp_path)
    left = await running(process, started)
    left.leave()
    adopted = process.adopt()
    assert adopted is not None and adopted.pid == left.pid
    started.append(adopted)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be written only within the blocks that they have."""
    write, pwrite = os.write, os.pwrite

    def check(descriptor: int, end: int) -> None:
        if end > -(-os.fstat(descriptor).st_size // BLOCK_BYTES) * BLOCK_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def checked_write(descriptor: int, data: bytes) -> int:
        check(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR) + len(data))
        return write(descriptor, data)

    def checked_pwrite(descriptor: int, data: bytes, offset: int) -> int:
        check(descriptor, offset + len(data))
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "write", checked_write)
    monkeypatch.setattr(os, "pwrite", checked_pwrite)


def test_a_lock_is_held_again_on_a_full_disk_if_its_file_was_written_before(tmp_path: Path, full_disk: None) -> None:
    lock = tmp_path / "engine.lock"
    lock.write_text(json.dumps({"pid": 1, "started": 1, "run": "run-0", "command": ["engine", "--long", "option"]}))
    descriptor = hold(str(lock), "run-1", ["engine"])
    assert descriptor is not None
    os.close(descriptor)
    state = json.loads(lock.read_bytes())
    assert (state["pid"], state["run"], state["command"]) == (os.getpid(), "run-1", ["engine"])


def test_a_lock_whose_file_cannot_be_written_is_not_held(tmp_path: Path, full_disk: None) -> None:
    process = DetachedProcess("engine", SLEEP, tmp_path)
    with pytest.raises(OSError, match="No space left"):
        hold(str(tmp_path / "engine.lock"), "run-0", SLEEP)
    assert not process.is_running()


def test_the_start_of_a_process_is_known_and_of_none_not() -> None:
    assert start_ticks(os.getpid()) == start_ticks(os.getpid()) is not None
    assert start_ticks(2**22 + 1) is None
