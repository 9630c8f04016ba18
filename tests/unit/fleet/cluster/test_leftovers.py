"""What Ray leaves running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fleet.agent.launch import start_ticks
from fleet.cluster import leftovers
from support.waiting import wait_until

FIRST = """
import subprocess, sys
for name in ("ray::Agent", "engine"):
    child = subprocess.Popen([name, "600"], executable="/bin/sleep")
    print(child.pid, flush=True)
print(subprocess.Popen(["ray::Agent", "600"], executable="/bin/sleep", start_new_session=True).pid, flush=True)
child.wait()
"""


class Session:
    """A session with a process that looks like Ray's, one that does not, and one like Ray's in its own session."""

    def __init__(self) -> None:
        self.first = subprocess.Popen(
            [sys.executable, "-c", FIRST], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.first.stdout is not None
        self.rays, self.other, self.elsewhere = (int(self.first.stdout.readline()) for _ in range(3))
        started = start_ticks(self.first.pid)
        assert started is not None
        self.started = started

    def end_first(self) -> None:
        self.first.kill()
        self.first.wait()

    def close(self) -> None:
        self.end_first()
        for pid in (self.rays, self.other, self.elsewhere):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.first.stdout is not None:
            self.first.stdout.close()


def command_of(pid: int) -> bytes:
    """Return the command of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    yield session
    session.close()


def test_only_rays_processes_of_the_session_are_killed(session: Session) -> None:
    session.end_first()
    assert leftovers.kill(session.first.pid, session.started) == [session.rays]
    wait_until(lambda: not command_of(session.rays))
    assert command_of(session.other) and command_of(session.elsewhere)


def test_processes_of_a_session_are_killed_before_its_first_process_was_waited_for(session: Session) -> None:
    session.first.kill()
    os.waitid(os.P_PID, session.first.pid, os.WEXITED | os.WNOWAIT)  # it stays as a zombie, as an adopted one may
    assert leftovers.kill(session.first.pid, session.started) == [session.rays]


def test_nothing_is_killed_while_the_first_process_lives(session: Session) -> None:
    assert leftovers.kill(session.first.pid, session.started) == []


def test_nothing_that_is_older_is_killed(session: Session) -> None:
    session.end_first()
    assert leftovers.kill(session.first.pid, session.started + 10**9) == []


@pytest.mark.parametrize("text", ["", "7 (ray::Agent) Z", "7 (ray::Agent) " + "x " * 20])
def test_a_process_whose_state_cannot_be_read_is_not_killed(tmp_path: Path, text: str) -> None:
    (tmp_path / "stat").write_text(text)
    (tmp_path / "cmdline").write_bytes(b"ray::Agent")
    assert not leftovers._is_left(tmp_path, 7, 0)
