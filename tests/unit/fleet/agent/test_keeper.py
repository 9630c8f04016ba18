"""Keeping a process running."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from fleet.agent.detached_process import DetachedProcess, RunningProcess
from fleet.agent.keeper import LONGEST_WAIT_S, STEADY_AFTER_S, Ended, Keeper, Restarts, described
from fleet.agent.lock_holders import holders
from support.waiting import until

SLEEP = ("sleep", "600")
Keep = Callable[..., Keeper]


@pytest.fixture
async def keep(tmp_path: Path) -> AsyncIterator[Keep]:
    """Start keepers, whose processes are stopped after the test."""
    keepers: list[Keeper] = []

    def start(command: tuple[str, ...] = SLEEP, ends: list[Ended] | None = None) -> Keeper:
        process = DetachedProcess("engine", command, tmp_path)
        keepers.append(Keeper(process, [].append if ends is None else ends.append, lambda run: {"RUN": run}))
        keepers[-1].start()
        return keepers[-1]

    yield start
    for keeper in keepers:
        await keeper.stop(within_s=0)


def holds(keeper: Keeper, run: str | None = None) -> Callable[[], bool]:
    """Return whether the keeper's process holds the lock; if `run` is given, in another run."""

    def condition() -> bool:
        last = keeper.process.last()
        return keeper.running is not None and last is not None and last.run == keeper.running.run != run

    return condition


async def test_a_process_that_is_killed_is_started_again_with_a_new_run(keep: Keep) -> None:
    ends: list[Ended] = []
    keeper = keep(ends=ends)
    await until(holds(keeper))
    first = keeper.running
    assert first is not None
    first.send(signal.SIGKILL)
    await until(holds(keeper, first.run))
    assert ends == [Ended(first.run, -signal.SIGKILL)]
    assert (keeper.last, keeper.restarts.count) == (ends[0], 1)


async def test_a_process_is_started_when_it_is_ready_and_adopted_without_waiting(tmp_path: Path) -> None:
    may_start, asked = asyncio.Event(), asyncio.Event()

    async def ready() -> None:
        asked.set()
        await may_start.wait()

    keeper = Keeper(DetachedProcess("ray", SLEEP, tmp_path), ready=ready)
    keeper.start()
    await asked.wait()
    assert keeper.running is None
    may_start.set()
    await until(holds(keeper))
    await keeper.leave()
    may_start.clear()
    other = Keeper(DetachedProcess("ray", SLEEP, tmp_path), ready=ready)
    other.start()
    await until(holds(other))
    assert other.running is not None
    assert other.running.adopted
    await other.stop(within_s=0)


async def test_a_keeper_that_waits_until_its_process_is_ready_can_be_stopped(tmp_path: Path) -> None:
    never, asked = asyncio.Event(), asyncio.Event()

    async def ready() -> None:
        asked.set()
        await never.wait()

    keeper = Keeper(DetachedProcess("ray", SLEEP, tmp_path), ready=ready)
    keeper.start()
    await asked.wait()
    await keeper.stop()
    assert keeper.running is None


async def test_a_process_that_an_ended_run_left_behind_with_the_lock_is_named(
    keep: Keep, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = keep(("sh", "-c", "sleep 600 & exec sleep 600"))
    await until(lambda: keeper.running is not None and len(holders(keeper.process._lock)) == 2)
    first = keeper.running
    assert first is not None
    first.send(signal.SIGKILL)
    await until(lambda: "left behind" in caplog.text)
    (left,) = keeper.process.left_behind()
    assert f"engine can't be started: process {left} (sleep), which its last run left behind" in caplog.text
    os.kill(left, signal.SIGKILL)
    await until(holds(keeper, first.run))
    assert keeper.process.left_behind() == {}


async def test_a_lock_that_cannot_be_read_is_logged_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Unreadable(DetachedProcess):
        failures = 2

        def is_running(self) -> bool:
            self.failures -= 1
            if self.failures >= 0:
                raise PermissionError(errno.EACCES, "Permission denied")
            return super().is_running()

    ended = await DetachedProcess("engine", ("true",), tmp_path).start("run-0").ended()
    ends: list[Ended] = []
    keeper = Keeper(Unreadable("engine", SLEEP, tmp_path), ends.append)
    keeper.start()
    await until(holds(keeper))
    assert (ended, ends) == (0, [Ended("run-0", None)])
    assert "engine can't be started: Permission denied" in caplog.text
    await keeper.stop(within_s=0)


async def test_a_fault_is_logged_and_the_process_started_after_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(DetachedProcess):
        faults = 2

        def adopt(self) -> RunningProcess | None:
            self.faults -= 1
            if self.faults >= 0:
                raise RuntimeError("fault")
            return super().adopt()

    keeper = Keeper(Faulty("engine", SLEEP, tmp_path))
    keeper.start()
    await until(holds(keeper))
    assert caplog.text.count("engine can't be kept running") == 2 and "RuntimeError: fault" in caplog.text
    await keeper.stop(within_s=0)


async def test_an_end_that_cannot_be_told_keeps_nothing_from_being_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(ended: Ended) -> None:
        raise RuntimeError("fault")

    await DetachedProcess("engine", ("true",), tmp_path).start("run-0").ended()
    keeper = Keeper(DetachedProcess("engine", SLEEP, tmp_path), faulty)
    keeper.start()
    await until(holds(keeper, "run-0"))
    first = keeper.running
    assert first is not None
    first.send(signal.SIGKILL)
    await until(holds(keeper, first.run))
    await keeper.stop(within_s=0)
    assert caplog.text.count("the end of engine can't be told") == 3


async def test_a_process_learns_its_run_from_its_environment(keep: Keep, tmp_path: Path) -> None:
    ends: list[Ended] = []
    keep((sys.executable, "-c", "import os; print(os.environ['RUN'], flush=True)"), ends)
    await until(lambda: ends)
    assert (tmp_path / "engine.log").read_text().split()[0] == ends[0].run


async def test_a_process_that_was_left_is_adopted_by_the_next_keeper(keep: Keep) -> None:
    ends: list[Ended] = []
    first = keep(ends=ends)
    await until(holds(first))
    left = first.running
    assert left is not None
    await first.leave()
    second = keep(ends=ends)
    await until(holds(second))
    assert second.running is not None
    assert (second.running.pid, second.running.run, second.running.adopted) == (left.pid, left.run, True)
    assert ends == []
    second.running.send(signal.SIGKILL)
    await until(holds(second, left.run))
    assert [end.run for end in ends] == [left.run]


async def test_an_end_that_no_keeper_saw_is_told_by_the_next(keep: Keep) -> None:
    first = keep()
    await until(holds(first))
    left = first.running
    assert left is not None
    await first.leave()
    pid = left.pid
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    await until(lambda: not first.process.is_running())
    ends: list[Ended] = []
    await until(holds(keep(ends=ends), left.run))
    assert ends == [Ended(left.run, None)]


async def test_two_keepers_have_one_process(keep: Keep) -> None:
    ends: list[Ended] = []
    first, second = keep(ends=ends), keep(ends=ends)
    await until(lambda: holds(first)() and holds(second)())
    assert first.running is not None and second.running is not None
    assert first.running.pid == second.running.pid
    assert ends == []


async def test_a_stopped_process_is_not_started_again(keep: Keep) -> None:
    ends: list[Ended] = []
    keeper = keep(ends=ends)
    await until(holds(keeper))
    await keeper.stop()
    assert (len(ends), keeper.running, keeper.process.is_running()) == (1, None, False)
    await keeper.stop()  # nothing is left to stop


async def test_a_keeper_that_was_not_started_can_be_stopped_and_left(tmp_path: Path) -> None:
    keeper = Keeper(DetachedProcess("engine", SLEEP, tmp_path))
    endings: list[Awaitable[None]] = [keeper.stop(), keeper.leave()]
    await asyncio.gather(*endings)


async def test_a_folder_that_is_missing_is_reported_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "later"
    keeper = Keeper(DetachedProcess("engine", SLEEP, folder))
    keeper.start()
    await until(lambda: "engine can't be started: No such file or directory" in caplog.text)
    folder.mkdir()
    await until(holds(keeper))
    await keeper.stop()


def test_waits_double_after_short_runs_and_begin_again_after_a_long_one() -> None:
    restarts = Restarts()
    assert [restarts.wait_s(0.0) for _ in range(8)] == [0, 1, 2, 4, 8, 16, 30, LONGEST_WAIT_S]
    assert [restarts.wait_s(12.0), restarts.wait_s(LONGEST_WAIT_S)] == [18, 0]
    assert [restarts.wait_s(STEADY_AFTER_S), restarts.wait_s(0.5)] == [0, 0.5]
    assert restarts.count == 12


def test_exit_codes_are_described() -> None:
    assert [described(2), described(-9), described(None)] == ["exit code 2", "signal 9", "exit code not known"]
