"""The public keys of clients that may connect: a directory of `*.key` certificates, or one file with several keys.

The list is read again when a client connects, at most once per `CHECK_INTERVAL_S`: clients are added and removed
without a restart.
"""

from __future__ import annotations

import logging
from pathlib import Path

from stream.messaging.curve.keys import KeyFileError, read_public_keys

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0


class AllowList:
    """The keys that are listed now. For one thread at a time.

    Raises `KeyFileError` at first if any file cannot be read. Later, the keys of an unreadable file are rejected, and
    the error is logged.
    """

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._next_check = now + CHECK_INTERVAL_S
        self._keys, self._errors = _read(path)
        if self._errors:
            raise KeyFileError(self._errors[0])

    def __len__(self) -> int:
        return len(self._keys)

    def allows(self, key: str, now: float) -> bool:
        """Return whether this key may connect at `now` (monotonic seconds)."""
        if now >= self._next_check:
            self._next_check = now + CHECK_INTERVAL_S
            keys, errors = _read(self._path)
            for error in errors:
                if error not in self._errors:
                    logger.warning("allowed keys: %s; its clients are rejected until the file is fixed", error)
            if keys != self._keys:
                logger.info("allowed keys: now %d, before %d", len(keys), len(self._keys))
            self._keys, self._errors = keys, errors
        return key in self._keys


def _read(path: Path) -> tuple[set[str], list[str]]:
    """Return all keys, and the errors of files that could not be read."""
    keys: set[str] = set()
    errors: list[str] = []
    try:
        files = sorted(file for file in path.iterdir() if file.suffix == ".key") if path.is_dir() else [path]
    except OSError as error:
        return keys, [f"{path} can't be read: {error.strerror}"]
    for file in files:
        try:
            keys |= read_public_keys(file)
        except KeyFileError as error:
            errors.append(str(error))
    return keys, errors
