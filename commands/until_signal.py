"""Run a command's coroutine until it is done, or Ctrl-C, SIGTERM or SIGHUP stops it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

logger = logging.getLogger(__name__)

THREADS_END_WITHIN_S = 3.0
"""Time for threads to end after a signal has stopped the work. A thread that looks up a host does not end before name
servers have answered or half a minute has passed; some services of Apprise take as long."""


def until_signal(work: Coroutine[Any, Any, int], at_second: Callable[[], None] = lambda: None) -> int:
    """Run a coroutine that returns an exit code. Ctrl-C, SIGTERM and SIGHUP cancel it, so that it stops in order.

    A second signal ends the process at once, after `at_second` was called. After a first one, the process ends even if
    threads that began meanwhile do not. SIGHUP, which a closed terminal sends, stays ignored if it is (`nohup`). The
    limit of file descriptors is raised first.
    """
    from stream.descriptors import raise_limit  # here, so that `--help` is quick

    raise_limit()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    received: list[int] = []
    done: list[int] = []
    earlier = set(threading.enumerate())

    def code() -> int:
        return done[0] if done else 128 + received[0]

    # Closing the event loop also waits for threads and for addresses of hosts.
    late = threading.Timer(THREADS_END_WITHIN_S, lambda: _end_now(code()))
    late.daemon = True

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
        try:
            done.append(await work)
            return done[0]
        finally:
            if received:
                late.start()

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
        if received:
            _end_if_busy(earlier, code())
        late.cancel()
        # A closed uvloop loop keeps its handlers, which would ignore further signals.
        for number, handler in before.items():
            signal.signal(number, handler)


def end_at_once(code: int) -> NoReturn:
    """Write logs and output, and end the process without waiting for its threads."""
    logging.shutdown()
    for stream in (sys.stderr, sys.stdout):
        with suppress(OSError, ValueError):  # such as a closed pipe
            stream.flush()
    os._exit(code)


def _end_if_busy(earlier: Collection[threading.Thread], code: int) -> None:
    """End the process if threads that Python would wait for, other than `earlier` ones, do not end."""
    deadline = time.monotonic() + THREADS_END_WITHIN_S
    for thread in threading.enumerate():
        if thread not in earlier and not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                _end_now(code)


def _end_now(code: int) -> NoReturn:
    logger.warning("stopped without waiting longer: does a name server or a service not answer?")
    end_at_once(code)


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop if it is installed: waking it for a frame costs half as much."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
