"""Running a coroutine until it is done or a signal stops it."""

from __future__ import annotations

import signal

from commands.until_signal import until_signal


def test_signals_work_as_before_once_the_work_is_done() -> None:
    async def work() -> int:
        return 7

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert until_signal(work()) == 7
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
