"""A doorbell: one thread sleeps until any other rings.

Made of a file descriptor (an eventfd, or a pipe where there is none), not of a lock: the ring's system call lets go of
the interpreter's lock, so that who wakes can go to work at once. With a lock he woke to wait for that one, and the
engine changed threads twice as often for each frame.
"""

from __future__ import annotations

import os
import select
import sys
from weakref import finalize

ONE = (1).to_bytes(8, sys.byteorder)


class Doorbell:
    """A ring while nobody waits is kept, once: the next `wait` returns at once. One thread may wait at a time.

    Its descriptors are closed when nobody can ring it any more: with the last reference to it.
    """

    def __init__(self) -> None:
        if sys.platform == "linux":
            self._heard = self._rope = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self._heard, self._rope = os.pipe()
            os.set_blocking(self._heard, False)
            os.set_blocking(self._rope, False)
        for descriptor in {self._heard, self._rope}:
            # Not at the process's exit: a camera's thread may still ring then, and the number be another file's.
            finalize(self, os.close, descriptor).atexit = False
        self._poll = select.poll()
        self._poll.register(self._heard, select.POLLIN)
        self._rung = False

    def ring(self) -> None:
        """Wake the one who waits, or the next one to. From any thread; never blocks."""
        if not self._rung:
            self._rung = True
            os.write(self._rope, ONE)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until it rings, at most `timeout_s`; whether it rang. Answers each ring once."""
        if not self._poll.poll(None if timeout_s is None else max(0.0, timeout_s * 1e3)):
            return False
        os.read(self._heard, 4096)
        # After the reading: a ring until now is answered by this return, a later one rings anew.
        self._rung = False
        return True
