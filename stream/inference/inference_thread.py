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
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Batch = TypeVar("Batch")

NAME = "inference"
"""The thread's name."""


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
    ) -> None:
        self._take = take
        self._work = work
        self._interrupt = interrupt
        self._on_death = on_death
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._stopping = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call the function between two batches. Return its result or raise its exception.

        Raises RuntimeError if the thread has ended, or ends before this call.
        """
        future: Future[T] = Future()
        self._calls.append((future, partial(function, *arguments)))
        self._interrupt()
        if self._ended:
            self._refuse_calls()  # the thread may already have refused the others
        return await asyncio.wrap_future(future)

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
                future, _ = self._calls.popleft()
            except IndexError:
                return
            _answer(future, _refuse)


def _answer(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return  # its caller does not wait any more
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)


def _refuse() -> None:
    raise RuntimeError("the inference thread has ended")
