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


def give_back() -> None:
    """Give the memory of freed pictures back to the system; the allocator would keep it between other pieces."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
