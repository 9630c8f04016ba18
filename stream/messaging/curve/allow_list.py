"""The public keys of clients that may connect: a directory of `*.key` certificates, or one file with several keys.

The list is read again after a change, which is checked at most once per `CHECK_INTERVAL_S`: clients are added and
removed without a restart.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from stream.messaging.curve.keys import KeyFileError, read_public_keys

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
MAX_FILES = 10_000
"""Most certificates in a directory; more count as a mistake."""

Stamp = tuple[object, ...]
"""State of the files, to detect a change."""


class AllowList:
    """The keys that are listed now. For one thread at a time.

    Raises `KeyFileError` at first if any file cannot be read. Later, the keys of an unreadable file are rejected, and
    the error is logged.
    """

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._next_check = now + CHECK_INTERVAL_S
        self._keys, errors = _read(path)
        if errors:
            raise errors[0]

    def __len__(self) -> int:
        return len(self._keys)

    def allows(self, key: str, now: float) -> bool:
        """Return whether this key may connect at `now` (monotonic seconds)."""
        if now >= self._next_check:
            self._next_check = now + CHECK_INTERVAL_S
            # Taken before reading: a change while reading shows at the next check.
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self._read_again()
        return key in self._keys

    def _read_again(self) -> None:
        before = len(self._keys)
        self._keys, errors = _read(self._path)
        for error in errors[:3]:
            logger.warning("allowed keys: %s; its clients are rejected until the file is fixed", error)
        logger.info("allowed keys: now %d, before %d", len(self._keys), before)


def _read(path: Path) -> tuple[frozenset[str], list[KeyFileError]]:
    """Return all keys, and the errors of files that could not be read."""
    keys: set[str] = set()
    errors: list[KeyFileError] = []
    try:
        files = _files(path)
    except OSError as error:
        return frozenset(), [KeyFileError(f"{path} can't be read: {error.strerror}")]
    if len(files) > MAX_FILES:
        return frozenset(), [KeyFileError(f"{path} has more than {MAX_FILES} key files")]
    for file in files:
        try:
            keys |= read_public_keys(file)
        except KeyFileError as error:
            errors.append(error)
    return frozenset(keys), errors


def _files(path: Path) -> list[Path]:
    """Return the key files. Raises OSError."""
    if not path.is_dir():
        return [path]
    with os.scandir(path) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.name.endswith(".key"))[: MAX_FILES + 1]


def _stamp(path: Path) -> Stamp:
    try:
        files = _files(path)
    except OSError as error:
        return ("unreadable", error.errno)
    return tuple(_file_stamp(file) for file in files)


def _file_stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError as error:
        return (path, error.errno)
    return (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
