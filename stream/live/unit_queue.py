"""A bounded queue of access units for one viewer, from the camera's thread to the WebRTC thread.

A full queue is emptied, and the viewer continues with the next keyframe, so that the camera's thread never waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from stream.live.live_video import LiveUnit

MAX_UNITS = 30
"""About a second; older units are not live any more."""
MAX_BYTES = 4 << 20
"""A second at 32 Mbit/s."""


class QueueClosedError(Exception):
    """No more units will arrive."""


class UnitQueue:
    """A thread-safe `UnitSink`. `get` is called in the event loop in which the queue was created."""

    def __init__(self, codec: str, want_keyframe: Callable[[], None]) -> None:
        """`want_keyframe` is called if the viewer needs a keyframe to continue."""
        self.skipped = 0
        """Units dropped because the queue was full, including those until the next keyframe."""
        self.max_units = MAX_UNITS
        self._codec = codec
        self._want_keyframe = want_keyframe
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._lock = threading.Lock()
        self._units: deque[LiveUnit] = deque()
        self._bytes = 0
        self._woken = False
        self._awaiting_keyframe = True
        self._skipping = False
        self._closed = False

    def put(self, unit: LiveUnit) -> None:
        """Add a unit, unless a keyframe must come first. A unit of another codec closes the queue."""
        if unit.codec != self._codec:
            return self.close()
        with self._lock:
            if self._closed:
                return
            if self._awaiting_keyframe and not unit.is_key:
                self.skipped += self._skipping
                return
            if len(self._units) >= self.max_units or self._bytes + len(unit.data) > MAX_BYTES:
                self.skipped += len(self._units)
                self._units.clear()
                self._bytes = 0
                self._awaiting_keyframe = self._skipping = True
                if not unit.is_key or len(unit.data) > MAX_BYTES:
                    self.skipped += 1
                    self._want_keyframe()
                    return
            self._awaiting_keyframe = self._skipping = False
            self._units.append(unit)
            self._bytes += len(unit.data)
        self._wake()

    def gap(self) -> None:
        """Skip units until the next keyframe."""
        self._awaiting_keyframe = True

    def close(self) -> None:
        """Empty and close the queue."""
        with self._lock:
            self._closed = True
            self._units.clear()
            self._bytes = 0
        self._wake()

    async def get(self) -> LiveUnit:
        """Wait for the oldest unit. Raises `QueueClosedError` once the queue is closed."""
        while True:
            with self._lock:
                self._changed.clear()
                self._woken = False
                if self._closed:
                    raise QueueClosedError
                if self._units:
                    unit = self._units.popleft()
                    self._bytes -= len(unit.data)
                    return unit
            await self._changed.wait()

    def _wake(self) -> None:
        """Wake the loop once for any number of units, so that a busy loop does not get ever more callbacks."""
        with self._lock:
            if self._woken:
                return
            self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
        except RuntimeError:
            return  # the WebRTC thread has ended
