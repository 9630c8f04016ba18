"""LoopThread: an event loop in its own thread, for the connections of many cameras.

The thread starts with the first submitted work and ends with `stop`. It keeps packets and closing connections out of
the engine's loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar

from stream.descriptors import require
from stream.sources.transport import StoppedError

T = TypeVar("T")

OF_A_LOOP = 4
"""File descriptors of an event loop, with one to spare."""

STOP_WITHIN_S = 1.0
STOP_CHECK_S = 0.05
"""Delay after which a waiting caller notices a stop."""


class LoopStoppedError(RuntimeError):
    """The thread accepts no more work."""


class LoopThread:
    """May be used from any thread. `at_end()` runs in the loop at the stop, to close connections."""

    def __init__(
        self,
        name: str,
        new_loop: Callable[[], asyncio.AbstractEventLoop],
        at_end: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._name = name
        self._new_loop = new_loop
        self._at_end = at_end
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run this in the thread. Raises `LoopStoppedError` after `stop`, OSError if the thread cannot start."""
        with self._lock:
            if self._stopped:
                work.close()
                raise LoopStoppedError("the engine stops")
            if self._loop is None:
                try:
                    require(OF_A_LOOP)
                    loop = self._new_loop()
                except OSError:  # no file descriptor is free
                    work.close()
                    raise
                self._loop = loop
                self._thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> bool:
        """End the connections and the thread, and return whether it ended within a second. Blocks meanwhile.

        May be called again to see whether the thread has ended.
        """
        with self._lock:
            before, self._stopped = self._stopped, True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return True
        if not before:
            loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_WITHIN_S)
        return not thread.is_alive()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(self._end())
        finally:
            loop.close()

    async def _end(self) -> None:
        await self._at_end()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=STOP_WITHIN_S / 6)


def outcome(work: Future[T], stopping: threading.Event, end_late: Callable[[T], None]) -> T:
    """Wait for submitted work, and return its result or raise its error.

    Raises `StoppedError` when the camera is told to stop. A result that arrives later is given to `end_late`.
    """
    while not work.done():
        if stopping.is_set():
            work.add_done_callback(partial(_end, end_late))
            work.cancel()
            raise StoppedError
        wait([work], timeout=STOP_CHECK_S)
    return work.result()


def _end(end_late: Callable[[T], None], work: Future[T]) -> None:
    if not work.cancelled() and work.exception() is None:
        end_late(work.result())
