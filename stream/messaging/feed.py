"""Feeds: published messages for readers inside the process. A slow reader loses the oldest messages.

`Engine.results()` opens one for each caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_BURST_S = 0.005
"""Time for which a reader may take queued messages before other tasks run. A reader slower than the writer would
otherwise block the event loop."""


class Feed(Generic[T]):
    """Messages from any thread to one `async for`. `missed` counts messages that a slow reader lost."""

    def __init__(self, size: int) -> None:
        self._waiting: deque[T] = deque()
        self._size = size
        self._lock = threading.Lock()
        self._reader: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._closed = False
        self._yielded_at = 0.0
        self.missed = 0

    def put(self, message: T) -> None:
        """Add a message; never waits."""
        with self._lock:
            if self._closed:
                return
            if len(self._waiting) >= self._size:
                self._waiting.popleft()
                self.missed += 1
            self._waiting.append(message)
            reader, self._reader = self._reader, None
        _wake(reader)

    def close(self) -> None:
        """End the feed: the reader gets the queued messages, then its iteration ends."""
        with self._lock:
            self._closed = True
            reader, self._reader = self._reader, None
        _wake(reader)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        loop = asyncio.get_running_loop()
        if loop.time() - self._yielded_at > MAX_BURST_S:
            await asyncio.sleep(0)
            self._yielded_at = loop.time()
        while True:
            with self._lock:
                if self._waiting:
                    return self._waiting.popleft()
                if self._closed:
                    raise StopAsyncIteration
                woken = asyncio.Event()
                self._reader = (loop, woken)
            await woken.wait()
            self._yielded_at = loop.time()


def _wake(reader: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None) -> None:
    if reader is None:
        return
    loop, woken = reader
    with contextlib.suppress(RuntimeError):  # the reader's loop is closed
        loop.call_soon_threadsafe(woken.set)
