"""UnitQueue: encoded pictures on their way to one viewer, from the camera's thread to the WebRTC thread. Bounded.

A viewer for whom too much waits loses all of it and goes on with the next key frame: the camera's thread never waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from stream.live.live_video import LiveUnit

MOST_UNITS = 30
"""A second: what waits longer is no live picture."""
MOST_BYTES = 4 << 20
"""A second at 32 Mbit/s."""


class QueueClosedError(Exception):
    """Nothing more will come."""


class UnitQueue:
    """A `UnitSink`. `get` belongs to the event loop in which it was made, the rest to any thread."""

    def __init__(self, codec: str, want_keyframe: Callable[[], None]) -> None:
        """`want_keyframe` is called when it can't go on without a key frame."""
        self.skipped = 0
        """Units that were thrown away since too many waited, and those after them up to a key frame."""
        self._codec = codec
        self._want_keyframe = want_keyframe
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._units: deque[LiveUnit] = deque()
        self._bytes = 0
        self._rung = False
        self._key_awaited = True
        self._behind = False
        self._over = False

    def put(self, unit: LiveUnit) -> None:
        """Add it, unless a key frame must come first. Another codec than the one agreed on ends it."""
        if unit.codec != self._codec:
            return self.close()
        with self._lock:
            if self._over:
                return
            if self._key_awaited and not unit.is_key:
                self.skipped += self._behind
                return
            if len(self._units) >= MOST_UNITS or self._bytes + len(unit.data) > MOST_BYTES:
                self.skipped += len(self._units)
                self._units.clear()
                self._bytes = 0
                self._key_awaited = self._behind = True
                if not unit.is_key or len(unit.data) > MOST_BYTES:
                    self.skipped += 1
                    self._want_keyframe()
                    return
            self._key_awaited = self._behind = False
            self._units.append(unit)
            self._bytes += len(unit.data)
        self._ring()

    def gap(self) -> None:
        """Only a key frame may follow."""
        self._key_awaited = True

    def close(self) -> None:
        """Nothing more comes; what waits is of no use any more."""
        with self._lock:
            self._over = True
            self._units.clear()
            self._bytes = 0
        self._ring()

    async def get(self) -> LiveUnit:
        """The oldest unit, once there is one. Raises `QueueClosedError` once nothing more will come."""
        while True:
            with self._lock:
                self._news.clear()
                self._rung = False
                if self._over:
                    raise QueueClosedError
                if self._units:
                    unit = self._units.popleft()
                    self._bytes -= len(unit.data)
                    return unit
            await self._news.wait()

    def _ring(self) -> None:
        """Once for however many units: a loop that is busy must not be given more and more to do."""
        with self._lock:
            if self._rung:
                return
            self._rung = True
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:
            return  # the WebRTC thread has ended
