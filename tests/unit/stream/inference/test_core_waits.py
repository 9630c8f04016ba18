"""The time in which other programs keep a thread from a core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream.inference import core_waits
from stream.inference.core_waits import CoreWaits
from support.waiting import wait_until


def test_a_thread_on_a_core_that_other_programs_use_waits() -> None:
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usable)})
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        waits = CoreWaits()

        def waited() -> bool:
            sum(range(3_000_000))
            return waits.since_last_call() > 0.01

        wait_until(waited)
    finally:
        os.sched_setaffinity(0, usable)
        for program in programs:
            program.kill()
            program.wait()


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """Clock and processor time, and the system's file about waiting, of a machine with two cores."""
    times = SimpleNamespace(clock_s=0.0, cpu_s=0.0, file=tmp_path / "schedstat")
    clocks = SimpleNamespace(monotonic=lambda: times.clock_s, process_time=lambda: times.cpu_s)
    monkeypatch.setattr(core_waits, "time", clocks)
    monkeypatch.setattr(core_waits, "SCHEDULING", times.file)
    monkeypatch.setattr(core_waits, "available_cpu", lambda: 2.0)
    times.file.write_text("5000000 1000000000 7\n")
    return times


@pytest.mark.parametrize(("cpu_s", "waited_s"), [(0.3, 0.75), (0.9, 0.75), (1.1, 0.0), (1.9, 0.0)])
def test_waiting_for_the_engines_own_threads_does_not_count(
    times: SimpleNamespace, cpu_s: float, waited_s: float
) -> None:
    waits = CoreWaits()
    times.clock_s, times.cpu_s = 1.0, cpu_s
    times.file.write_text("9000000 1750000000 8\n")
    assert waits.since_last_call() == pytest.approx(waited_s)
    times.clock_s += 1.0
    assert waits.since_last_call() == 0.0


@pytest.mark.parametrize(("cpu_s", "waited_s"), [(0.1, 0.75), (0.2, 0.0), (0.3, 0.0)])
def test_waiting_for_the_next_period_of_the_engines_own_quota_does_not_count(
    times: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, cpu_s: float, waited_s: float
) -> None:
    monkeypatch.setattr(core_waits, "available_cpu", lambda: 0.3)
    waits = CoreWaits()
    times.clock_s, times.cpu_s = 1.0, cpu_s
    times.file.write_text("9000000 1750000000 8\n")
    assert waits.since_last_call() == pytest.approx(waited_s)


def test_where_the_system_does_not_tell_nothing_is_known_to_wait(times: SimpleNamespace) -> None:
    times.file.unlink()
    waits = CoreWaits()
    times.clock_s = 1.0
    assert waits.since_last_call() == 0.0
