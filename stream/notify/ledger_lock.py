"""The lock of a ledger, so that only one notify uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from stream.settings.config_error import ConfigError


def in_use(path: Path) -> bool:
    """Return whether a notify runs with the ledger. Raises `OSError` if its lock cannot be read."""
    path = path.resolve()
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock(path: Path) -> int:
    """Return the descriptor of the locked file, whose closing ends the lock. Raises `ConfigError`, `OSError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path.with_name(path.name + ".lock"), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(f"{path}: is in use by another `partstream notify`") from None
    return descriptor
