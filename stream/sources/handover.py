"""Handover: encoded pictures from the thread in which they arrive to their camera's. Bounded; the sender never waits.

A camera's thread that can't keep up loses all that waits, since what follows a lost unit can't be decoded, and goes on
with the newest keyframe.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
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
    """A queue of access units, each with its codec's name; it ends for a reason. One thread puts, one gets, any closes.

    The queue is the interpreter's own in C, without a limit; what is held is counted beside it. Each count has one
    writer, so that nobody needs a lock for a picture: 41 µs for both ways came down to 17.
    """

    def __init__(self) -> None:
        self._units: SimpleQueue[tuple[str, AccessUnit] | None] = SimpleQueue()
        """None is the end."""
        self._put_bytes = 0
        """Put, less those thrown away."""
        self._got_bytes = 0
        self._closing = threading.Lock()
        self._reason: Reason | None = None

    def put(self, codec: str, unit: AccessUnit) -> int:
        """Add a unit; how many were thrown away for it (all that waited, and the unit itself, if there are too many).

        Then only a unit that decoding can begin with may follow.
        """
        if self._reason is not None:
            return 0
        size = unit.packet.size
        if self._units.qsize() >= MOST_UNITS or self._put_bytes - self._got_bytes + size > MOST_BYTES:
            return self._throw_away() + 1
        self._put_bytes += size
        self._units.put((codec, unit))
        return 0

    def get(self, timeout_s: float) -> tuple[str, AccessUnit] | None:
        """The oldest unit, or None if none came in time. Raises `HandoverClosedError` once nothing more will come."""
        over = self._reason is not None  # then what is there is all
        try:
            got = self._units.get(timeout=0 if over else timeout_s)
        except Empty:
            if not over:
                return None
            got = None
        if got is None:
            assert self._reason is not None
            raise HandoverClosedError(self._reason)
        self._got_bytes += got[1].packet.size
        return got

    def close(self, reason: Reason) -> None:
        """Nothing more comes. The first reason stays."""
        with self._closing:
            if self._reason is None:
                self._reason = reason
                self._units.put(None)

    def _throw_away(self) -> int:
        lost = 0
        while True:
            try:
                got = self._units.get_nowait()
            except Empty:
                return lost
            if got is None:  # closed meanwhile
                self._units.put(None)
                return lost
            self._put_bytes -= got[1].packet.size
            lost += 1
