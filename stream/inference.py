"""The inference thread: one a device, so that a model never sees two batches at once.

Owned by the engine; a daemon thread, so that a model stuck in a call can't keep the process from ending.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_Call = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class InferenceThread:
    """Runs calls one after another, in the order in which they were asked for, away from the event loop."""

    def __init__(self, name: str = "inference") -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result, or its exception. The engine has at most a few calls waiting at any time."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put((loop, future, function, arguments))
        return await future

    def stop(self, timeout_s: float) -> bool:
        """Let the calls already made finish; false if they don't within the time."""
        self._calls.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            loop, future, function, arguments = call
            try:
                result = function(*arguments)
            except BaseException as error:
                outcome, value = _fail, error
            else:
                outcome, value = _succeed, result
            try:
                loop.call_soon_threadsafe(outcome, future, value)
            except RuntimeError:
                return  # the loop is closed: nobody waits for this any more
            del call, future, function, arguments, value


def _succeed(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
