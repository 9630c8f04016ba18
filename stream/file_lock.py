"""Locks by which only one process uses something. The system ends a lock when its process ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

LOCKS = Path("/proc/locks")


class InUseError(OSError):
    """Another process holds the lock; `strerror` tells which."""


def hold(path: Path) -> int | None:
    """Create the file if need be, and return its locked descriptor; None if another process holds the lock.

    Closing the descriptor ends the lock. Only the owner may read the file. Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def held(path: Path) -> int:
    """Return what `hold` does. Raises `InUseError` if another process holds the lock, and `OSError`."""
    descriptor = hold(path)
    if descriptor is None:
        raise InUseError(errno.EBUSY, f"it is in use by {holder_of(path)}")
    return descriptor


def holder_of(path: Path, locks: Path = LOCKS) -> str:
    """Return who holds the lock of this file, as `process 123`; without a number if the system does not tell it."""
    try:
        seen = path.stat()
        file = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
        for line in locks.read_text(encoding="ascii", errors="replace").splitlines():
            fields = line.split()
            if fields[1:2] == ["FLOCK"] and fields[5:6] == [file] and fields[4].isdigit():
                return f"process {fields[4]}"
    except OSError:
        pass
    return "another process"


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock. Raises `OSError` if the file cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
