"""Handover: a bounded queue of access units from the network thread to a camera's thread. The sender never waits.

If a camera's thread cannot keep up, all waiting units are discarded, since units after a lost one cannot be decoded. It
continues with the next keyframe.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from stream.sources.transport import AccessUnit

MAX_UNITS = 90
"""Three seconds at 30 frames a second; with more, the picture would not be live."""
MAX_BYTES = 16 << 20

Reason = TypeVar("Reason")


class HandoverClosedError(Exception, Generic[Reason]):
    """No more units will arrive."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Handover(Generic[Reason]):
    """A queue of access units with their codec's name, closed with a reason. One thread puts, one gets, any may close.

    `SimpleQueue` is unbounded, so the units held are counted separately. Each count has one writer and needs no lock:
    putting and getting a unit takes 17 µs instead of 41.
    """

    def __init__(self) -> None:
        self._units: SimpleQueue[tuple[str, AccessUnit] | None] = SimpleQueue()
        """None marks the end."""
        self._put_bytes = 0
        """Bytes put, without those discarded."""
        self._got_bytes = 0
        self._closing = threading.Lock()
        self._reason: Reason | None = None

    def put(self, codec: str, unit: AccessUnit) -> int:
        """Add a unit, and return the number of units discarded.

        If there are too many, all waiting units and this one are discarded. The next unit must then be one with which
        decoding can begin.
        """
        if self._reason is not None:
            return 0
        size = unit.packet.size
        if self._units.qsize() >= MAX_UNITS or self._put_bytes - self._got_bytes + size > MAX_BYTES:
            return self._discard_waiting() + 1
        self._put_bytes += size
        self._units.put((codec, unit))
        return 0

    def get(self, timeout_s: float) -> tuple[str, AccessUnit] | None:
        """Return the oldest unit, or None after the timeout. Raises `HandoverClosedError` once no more will arrive."""
        closed = self._reason is not None  # no more units will be put
        try:
            got = self._units.get(timeout=0 if closed else timeout_s)
        except Empty:
            if not closed:
                return None
            got = None
        if got is None:
            assert self._reason is not None
            raise HandoverClosedError(self._reason)
        self._got_bytes += got[1].packet.size
        return got

    def close(self, reason: Reason) -> None:
        """Close the queue. The first reason is kept."""
        with self._closing:
            if self._reason is None:
                self._reason = reason
                self._units.put(None)

    def _discard_waiting(self) -> int:
        lost = 0
        while True:
            try:
                got = self._units.get_nowait()
            except Empty:
                return lost
            if got is None:  # closed by another thread
                self._units.put(None)
                return lost
            self._put_bytes -= got[1].packet.size
            lost += 1
