"""Handover: encoded pictures from the thread in which they arrive to their camera's. Bounded; the sender never waits.

A camera's thread that can't keep up loses all that waits, since what follows a lost unit can't be decoded, and goes on
with the newest keyframe.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from stream.sources.transport import AccessUnit

MOST_UNITS = 90
"""Three seconds at 30 frames a second: more is no live picture."""
MOST_BYTES = 16 << 20

Reason = TypeVar("Reason")


class HandoverClosedError(Exception, Generic[Reason]):
    """Nothing more will come."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Handover(Generic[Reason]):
    """A queue of access units, each with its codec's name; it ends for a reason. Any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._units: deque[tuple[str, AccessUnit]] = deque()
        self._bytes = 0
        self._reason: Reason | None = None

    def put(self, codec: str, unit: AccessUnit) -> int:
        """Add a unit; how many were thrown away for it (all that waited, and the unit itself, if there are too many).

        Then only a unit that decoding can begin with may follow.
        """
        with self._changed:
            if self._reason is not None:
                return 0
            if len(self._units) >= MOST_UNITS or self._bytes + unit.packet.size > MOST_BYTES:
                lost = len(self._units) + 1
                self._units.clear()
                self._bytes = 0
                return lost
            self._units.append((codec, unit))
            self._bytes += unit.packet.size
            self._changed.notify()
            return 0

    def get(self, timeout_s: float) -> tuple[str, AccessUnit] | None:
        """The oldest unit, or None if none came in time. Raises `HandoverClosedError` once nothing more will come."""
        with self._changed:
            if not self._units and self._reason is None:
                self._changed.wait(timeout_s)
            if self._units:
                codec, unit = self._units.popleft()
                self._bytes -= unit.packet.size
                return codec, unit
            if self._reason is not None:
                raise HandoverClosedError(self._reason)
            return None

    def close(self, reason: Reason) -> None:
        """Nothing more comes. The first reason stays."""
        with self._changed:
            if self._reason is None:
                self._reason = reason
                self._changed.notify_all()
