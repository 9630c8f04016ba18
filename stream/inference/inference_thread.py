"""The inference thread: one a device, so that a model never sees two batches at once.

It takes a batch, works on it, and takes the next; between two batches it runs what others ask of it, in the order in
which they asked. So a frame crosses from its camera's thread to this one and nowhere else: not through the event loop.

Owned by the engine; a daemon thread, so that a model stuck in a call can't keep the process from ending.
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


class InferenceThread(Generic[Batch]):
    """Works on batches until it is stopped, and on calls in between.

    `take` waits for the next batch; it may return None, or anything empty, and must when `interrupt` is called from
    another thread. `work` is given each batch. If either raises, `on_death` is called with the error and the thread
    ends: that is a fault of the engine's own. All three run in this thread.
    """

    def __init__(
        self,
        take: Callable[[], Batch | None],
        work: Callable[[Batch], None],
        *,
        interrupt: Callable[[], None],
        on_death: Callable[[BaseException], None],
        name: str = "inference",
    ) -> None:
        self._take = take
        self._work = work
        self._interrupt = interrupt
        self._on_death = on_death
        self._calls: deque[_Call] = deque()
        self._stopping = False
        self._ended = False
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result, or its exception, from between two batches. At most a few calls wait at any time.

        Raises RuntimeError if the thread has ended, or ends before it comes to this call.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.append((loop, future, function, arguments))
        self._interrupt()
        if self._ended:
            self._refuse_calls()  # this one may have come after the thread had refused the others
        return await future

    def stop(self, timeout_s: float) -> bool:
        """Let the batch in hand and the calls already made finish; false if they don't within the time."""
        self._stopping = True
        self._interrupt()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _live(self) -> None:
        try:
            while True:
                while self._calls:
                    _answer(*self._calls.popleft())
                if self._stopping:
                    return
                batch = self._take()
                if batch:
                    self._work(batch)
                del batch  # its pictures are the rings' again: nothing of it is kept while waiting
        except BaseException as error:
            self._on_death(error)
        finally:
            self._ended = True
            self._refuse_calls()

    def _refuse_calls(self) -> None:
        """Nobody comes to the calls that are left: whoever waits for one is told."""
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
        return  # the loop is closed: nobody waits for this any more


def _refuse() -> None:
    raise RuntimeError("the inference thread has ended")


def _succeed(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
