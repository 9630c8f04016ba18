"""Memory for pictures: whether what a camera is about to allocate fits, and its return to the system.

What was granted to a camera counts until its decoder and ring hold it, so that cameras that start at the same time do
not count on the same memory.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

from stream.sources.decoding.available_memory import available_bytes

SHARE = 0.9
"""Share of the available memory that may be used; the rest is for socket buffers and other programs."""
TRIMMED_FROM_BYTES = 64 << 20
"""If less was freed since the last time, the allocator keeps it for reuse, in pieces between those that threads of
other cameras hold. After 500 small cameras, one after another, these were 60 MiB."""


class Grant:
    """Memory that a camera may allocate."""

    def __init__(self, size: int, on_settled: Callable[[int], None]) -> None:
        self._size = size
        self._on_settled = on_settled

    def settle(self) -> None:
        """It is allocated, or no longer wanted. May be called again."""
        size, self._size = self._size, 0
        if size:
            self._on_settled(size)

    def __del__(self) -> None:
        self.settle()


class PictureMemory:
    """The memory of this process's cameras. `available` returns how many bytes are free, or None if that is unknown."""

    def __init__(self, available: Callable[[], int | None] = available_bytes) -> None:
        self._available = available
        self._lock = threading.RLock()  # a forgotten grant may settle while another is made
        self._granted = 0

    def grant(self, size: int) -> tuple[Grant | None, int]:
        """Return a grant, or None if it does not fit; and the bytes that are available to it."""
        with self._lock:
            available = self._available()
            left = size if available is None else max(0, int(available * SHARE) - self._granted)
            if size > left:
                return None, left
            self._granted += size
            return Grant(size, self._settled), left

    def _settled(self, size: int) -> None:
        with self._lock:
            self._granted -= size


PICTURE_MEMORY = PictureMemory()
"""That of this process."""


class FreedMemory:
    """Counts freed bytes of pictures, of all cameras together. Any thread may call it."""

    def __init__(self, trim: Callable[[], object]) -> None:
        """`trim()` gives what the allocator keeps back to the system."""
        self._trim = trim
        self._lock = threading.Lock()
        self._freed = 0

    def give_back(self, freed: int) -> None:
        """Give memory back after `freed` bytes were freed, if that and what was freed before is worth the time."""
        with self._lock:
            self._freed += freed
            if self._freed < TRIMMED_FROM_BYTES:
                return
            self._freed = 0
        self._trim()


def _trim() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


_FREED = FreedMemory(_trim)


def give_back(freed: int) -> None:
    """Give memory back to the system after `freed` bytes of pictures were freed, as `FreedMemory.give_back`."""
    _FREED.give_back(freed)
