"""Run a command's coroutine until it is done, or Ctrl-C, SIGTERM or SIGHUP stops it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any


def until_signal(work: Coroutine[Any, Any, int], at_second: Callable[[], None] = lambda: None) -> int:
    """Run a coroutine that returns an exit code. Ctrl-C, SIGTERM and SIGHUP cancel it, so that it stops in order.

    A second signal ends the process at once, after `at_second` was called. SIGHUP, which a closed terminal sends, stays
    ignored if it is (`nohup`). The limit of file descriptors is raised first.
    """
    from stream.descriptors import raise_limit  # here, so that `--help` is quick

    raise_limit()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    received: list[int] = []

    async def cancellable() -> int:
        task = asyncio.current_task()
        assert task is not None

        def stop(number: int) -> None:
            received.append(number)
            if len(received) > 1:
                try:
                    at_second()
                finally:
                    os._exit(128 + number)
            task.cancel()

        for number in numbers:
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await work

    try:
        with asyncio.Runner(loop_factory=_event_loop()) as runner:
            try:
                return runner.run(cancellable())
            except asyncio.CancelledError:
                if received:
                    return 128 + received[0]
                from commands.ending import EXIT_FAILED  # here, for commands that print nothing

                return EXIT_FAILED
    finally:
        # A closed uvloop loop keeps its handlers, which would ignore further signals.
        for number, handler in before.items():
            signal.signal(number, handler)


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop if it is installed: waking it for a frame costs half as much."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
