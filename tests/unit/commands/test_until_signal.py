"""Running a coroutine until it is done or a signal stops it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from commands.until_signal import until_signal
from support.repository import REPOSITORY


def test_a_hangup_stops_work_in_order() -> None:
    ended: list[str] = []

    async def work() -> int:
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.Event().wait()
        finally:
            ended.append("in order")
        return 0

    before = signal.getsignal(signal.SIGHUP)
    assert until_signal(work()) == 128 + signal.SIGHUP
    assert ended == ["in order"]
    assert signal.getsignal(signal.SIGHUP) == before


_SECOND = """
import asyncio, os, signal
from commands.until_signal import until_signal

async def work():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

until_signal(work(), lambda: print("killed", flush=True))
"""


def test_a_second_signal_ends_the_process_after_it_has_done_what_it_is_told() -> None:
    done = subprocess.run([sys.executable, "-c", _SECOND], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "killed\n")


_BUSY = """
import asyncio, os, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
from commands import until_signal

until_signal.THREADS_END_WITHIN_S = 0.1
threads = {"the loop's": None, "its own": ThreadPoolExecutor(1)}[sys.argv[1]]

async def work():
    asyncio.get_running_loop().run_in_executor(threads, threading.Event().wait)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
    finally:
        print("in order")

sys.exit(until_signal.until_signal(work()))
"""


@pytest.mark.parametrize("threads", ["the loop's", "its own"])
def test_work_that_was_stopped_ends_although_a_thread_does_not(threads: str) -> None:
    done = subprocess.run([sys.executable, "-c", _BUSY, threads], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "in order\n")
    assert "does a name server or a service not answer?" in done.stderr
