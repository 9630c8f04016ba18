"""The bounded queue between the readers of several engines and the one reader of all."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class MergedQueue(Generic[T]):
    """Items of several writers for one reader, in one event loop. Writers wait while `size` items are in it."""

    def __init__(self, size: int) -> None:
        self._items: deque[T] = deque()
        self._size = size
        self._arrived: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._closed = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """Whether a writer has to wait."""
        return len(self._items) >= self._size

    def put(self, item: T) -> None:
        """Add an item, even if it is full: a writer calls `room` before."""
        self._items.append(item)
        self._wake(self._arrived)

    async def room(self) -> None:
        """Wait until it is no longer full."""
        while self.full and not self._closed:
            if self._room is None or self._room.done():
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)

    def take(self) -> T | None:
        """Return the next item; None if there is none. Raises the error that a writer failed with, after its items."""
        if not self._items:
            if self._error is not None:
                raise self._error
            return None
        item = self._items.popleft()
        if self._room is not None and 2 * len(self._items) <= self._size:
            self._wake(self._room)
            self._room = None
        return item

    async def arrival(self) -> None:
        """Wait for an item, an error or the end. May be cancelled."""
        if self._items or self._closed or self._error is not None:
            return
        self._arrived = asyncio.get_running_loop().create_future()
        await self._arrived

    def fail(self, error: BaseException) -> None:
        """Hand this error to the reader."""
        self._error = error
        self._wake(self._arrived)

    def close(self) -> None:
        """Let the reader and all writers go on. What is in it is dropped."""
        self._closed = True
        self._items.clear()
        self._wake(self._arrived)
        self._wake(self._room)

    @staticmethod
    def _wake(waiting: asyncio.Future[None] | None) -> None:
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
