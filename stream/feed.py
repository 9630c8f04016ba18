"""A feed: messages for one reader inside the process, bounded: the oldest go first when the reader is slow.

Made by `Engine.results()` for each caller; dies with its iteration or with the engine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """Written in the event loop's thread, read by one `async for`. `missed` counts what a slow reader lost."""

    def __init__(self, size: int) -> None:
        self._waiting: deque[T] = deque()
        self._size = size
        self._changed = asyncio.Event()
        self._closed = False
        self.missed = 0

    def put(self, message: T) -> None:
        """Add a message; never waits."""
        if self._closed:
            return
        if len(self._waiting) >= self._size:
            self._waiting.popleft()
            self.missed += 1
        self._waiting.append(message)
        self._changed.set()

    def close(self) -> None:
        """No more will come; the reader gets what waits, then its iteration ends."""
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
