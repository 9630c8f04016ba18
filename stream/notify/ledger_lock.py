"""The lock of a ledger, so that only one notify uses it."""

from __future__ import annotations

from pathlib import Path

from stream import file_lock
from stream.settings.config_error import ConfigError


def in_use(path: Path) -> bool:
    """Return whether a notify runs with the ledger. Raises `OSError` if its lock cannot be read."""
    return file_lock.is_held(_lock_of(path.resolve()))


def lock(path: Path) -> int:
    """Return the descriptor of the locked file, whose closing ends the lock. Raises `ConfigError`, `OSError`."""
    descriptor = file_lock.hold(_lock_of(path))
    if descriptor is None:
        holder = file_lock.holder_of(_lock_of(path))
        raise ConfigError(f"{path}: is in use by another `partstream notify` ({holder})")
    return descriptor


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
