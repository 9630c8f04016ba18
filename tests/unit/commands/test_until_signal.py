"""Running a coroutine until it is done or a signal stops it."""

from __future__ import annotations

import asyncio
import os
import signal

from commands.until_signal import until_signal


def test_signals_work_as_before_once_the_work_is_done() -> None:
    async def work() -> int:
        return 7

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert until_signal(work()) == 7
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


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


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    async def work() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        return 7

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert until_signal(work()) == 7
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
