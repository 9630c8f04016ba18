"""The inference thread: one per device, so that a model never processes two batches at once.

It takes one batch after another and, between batches, runs the calls that others have queued, in order. A frame goes
from its camera's thread directly to this one, not through the event loop.

It is a daemon thread, so that a model stuck in a call cannot keep the process alive.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Batch = TypeVar("Batch")
_Call = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


NAME = "inference"
"""The name of an engine's thread."""


class InferenceThread(Generic[Batch]):
    """Processes batches until it is stopped, and queued calls in between.

    `take` waits for the next batch. It may return None or an empty batch, and must do so when another thread calls
    `interrupt`. `work` processes a batch. If either raises, which is a bug, `on_death` is called with the error and the
    thread ends. All three run in this thread.
    """

    def __init__(
        self,
        take: Callable[[], Batch | None],
        work: Callable[[Batch], None],
        *,
        interrupt: Callable[[], None],
        on_death: Callable[[BaseException], None],
        name: str = NAME,
    ) -> None:
        self._take = take
        self._work = work
        self._interrupt = interrupt
        self._on_death = on_death
        self._calls: deque[_Call] = deque()
        self._stopping = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call the function between two batches. Return its result or raise its exception.

        Raises RuntimeError if the thread has ended, or ends before this call.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.append((loop, future, function, arguments))
        self._interrupt()
        if self._ended:
            self._refuse_calls()  # the thread may already have refused the others
        return await future

    async def repeat(self, function: Callable[[], None], every_s: float) -> None:
        """Call the function between two batches every `every_s` seconds, until the thread has ended."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.run(function)
            except RuntimeError:
                if self._ended:
                    return
                raise

    def stop(self, timeout_s: float) -> bool:
        """Finish the current batch and the queued calls. Return false if they take longer than `timeout_s`."""
        self._stopping = True
        self._interrupt()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while True:
                while self._calls:
                    _answer(*self._calls.popleft())
                if self._stopping:
                    return
                batch = self._take()
                if batch:
                    self._work(batch)
                del batch  # the rings own its pictures again: keep no reference while waiting
        except BaseException as error:
            self._on_death(error)
        finally:
            self._ended = True
            self._refuse_calls()

    def _refuse_calls(self) -> None:
        """Reject the queued calls."""
        while True:
            try:
                loop, future, _, _ = self._calls.popleft()
            except IndexError:
                return
            _answer(loop, future, _refuse, ())


def _answer(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Any],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    try:
        result = function(*arguments)
    except BaseException as error:
        outcome, value = _fail, error
    else:
        outcome, value = _succeed, result
    try:
        loop.call_soon_threadsafe(outcome, future, value)
    except RuntimeError:
        return  # the loop is closed: no caller waits any more


def _refuse() -> None:
    raise RuntimeError("the inference thread has ended")


def _succeed(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
