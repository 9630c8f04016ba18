"""The public keys of clients that may connect: a directory of `*.key` certificates, or one file that holds several.

Owns nothing but what it has read. Read anew when something changed, at most once in `LOOK_AGAIN_S`, so that a client is
added or taken away without a restart.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from stream.messaging.curve.keys import KeyFileError, read_public_keys

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 1.0
MAX_FILES = 10_000
"""Certificates in a directory; more are taken for a mistake, not for clients."""

Stamp = tuple[object, ...]
"""What tells whether something changed since it was read."""


class AllowList:
    """Which keys are listed now. Not for several threads at once.

    Raises `KeyFileError` at first if any of it can't be read. Later such a file lists nobody and is logged: a list that
    became unreadable lets nobody in.
    """

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._look_again_at = now + LOOK_AGAIN_S
        self._keys, faults = _read(path)
        if faults:
            raise faults[0]

    def __len__(self) -> int:
        return len(self._keys)

    def lists(self, key: str, now: float) -> bool:
        """Whether this key may connect at `now` (monotonic seconds)."""
        if now >= self._look_again_at:
            self._look_again_at = now + LOOK_AGAIN_S
            # Taken before reading: a change while it is read shows at the next look.
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self._read_again()
        return key in self._keys

    def _read_again(self) -> None:
        before = len(self._keys)
        self._keys, faults = _read(self._path)
        for fault in faults[:3]:
            logger.warning("allowed keys: %s; it lists nobody until that is put right", fault)
        logger.info("allowed keys: %d are listed now, %d before", len(self._keys), before)


def _read(path: Path) -> tuple[frozenset[str], list[KeyFileError]]:
    """All keys listed, and what couldn't be read."""
    keys: set[str] = set()
    faults: list[KeyFileError] = []
    try:
        files = _files(path)
    except OSError as error:
        return frozenset(), [KeyFileError(f"{path} can't be read: {error.strerror}")]
    if len(files) > MAX_FILES:
        return frozenset(), [KeyFileError(f"{path} has more than {MAX_FILES} files of keys")]
    for file in files:
        try:
            keys |= read_public_keys(file)
        except KeyFileError as error:
            faults.append(error)
    return frozenset(keys), faults


def _files(path: Path) -> list[Path]:
    """The files that hold keys. Raises OSError."""
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
        about = path.stat()
    except OSError as error:
        return (path, error.errno)
    return (path, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
