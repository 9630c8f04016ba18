"""A doorbell: one thread sleeps until another rings.

It uses a file descriptor (an eventfd, or a pipe on other systems) instead of a lock. Ringing is a system call, which
releases the GIL, so the thread that wakes can run at once. With a lock it woke only to wait for the GIL, and the engine
switched threads twice as often for each frame.
"""

from __future__ import annotations

import os
import select
import sys
from weakref import finalize

ONE = (1).to_bytes(8, sys.byteorder)


class Doorbell:
    """Wakes one waiting thread. Rings while no thread waits are remembered as one: the next `wait` returns at once.

    One thread may wait at a time. The descriptors are closed with the last reference to the doorbell.
    """

    def __init__(self) -> None:
        if sys.platform == "linux":
            self._read_end = self._write_end = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self._read_end, self._write_end = os.pipe()
            os.set_blocking(self._read_end, False)
            os.set_blocking(self._write_end, False)
        for descriptor in {self._read_end, self._write_end}:
            # Not at the process's exit: a camera's thread may still ring, and the number may belong to another file.
            finalize(self, os.close, descriptor).atexit = False
        self._poll = select.poll()
        self._poll.register(self._read_end, select.POLLIN)
        self._rung = False

    def ring(self) -> None:
        """Wake the waiting thread, or the next one that waits. Any thread may call it; never blocks."""
        if not self._rung:
            self._rung = True
            os.write(self._write_end, ONE)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until the next ring, for at most `timeout_s` seconds. Return whether it rang."""
        if not self._poll.poll(None if timeout_s is None else max(0.0, timeout_s * 1e3)):
            return False
        os.read(self._read_end, 4096)
        # After reading: this return answers every ring so far, and a later one writes again.
        self._rung = False
        return True
