"""A lock for each camera, so that a camera that is slow to stop does not delay changes of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class CameraLocks:
    """The locks that are held or waited for, by camera."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, camera: str) -> AsyncGenerator[None]:
        """Hold the lock of this camera, which need not exist."""
        lock = self._locks.setdefault(camera, asyncio.Lock())
        self._users[camera] = self._users.get(camera, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[camera] -= 1
            if not self._users[camera]:
                del self._users[camera], self._locks[camera]
