"""The results file: every result as a JSON line, from the engine's start to its stop.

Results of earlier runs are never lost: a file that has any is renamed to the next free name with a number, so that the
file contains one run. Each line is written at once, whole or not at all, so that it survives the end of the process.
After an error, such as a full disk, writing is tried again; the results in between are missing, and counted.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from stream import file_lock, output_file
from stream.results import FRAME_SCHEMA, Frame, Message
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

_BEGINS = b'{"schema":"' + FRAME_SCHEMA.partition("/")[0].encode() + b"/"


RETRY_S = 1.0
"""Time after an error until writing is tried again; results meanwhile are not written."""


class ResultsFile:
    """Writes results. While it cannot, they are counted as missing, and the engine continues.

    `clock` returns monotonic seconds. Raises `ConfigError` naming `results` if the file cannot be opened, has other
    content, or is in use.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.missing = 0
        """Results that were not written."""
        self.error = ""
        """Why the last result was not written; empty if it was."""
        self._path = path
        self._clock = clock
        self._retry_at = 0.0
        self._missing_before = 0
        """`missing` when the error began."""
        self._file: int | None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _begun(path)
        except OSError as error:
            raise ConfigError(f"results: {path} can't be written: {error.strerror}") from None

    def write(self, topic: str, message: Message) -> None:
        """Write the line of a result; other messages are ignored."""
        if self._file is None or not isinstance(message, Frame):
            return
        if self.error and self._clock() < self._retry_at:
            self.missing += 1
            return
        try:
            self._append(self._file, msgspec.json.encode(message) + b"\n")
        except OSError as error:
            self._failed(error.strerror or str(error))
        else:
            if self.error:
                self._works()

    def close(self) -> None:
        """Close the file. May be called again."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)  # which ends the lock
            if self.error:
                logger.error("results file %s: its last %d results are missing", self._path, self._missing_now())

    def _append(self, file: int, line: bytes) -> None:
        """Append the whole line, or raise `OSError` and leave the file as it was."""
        size = os.fstat(file).st_size
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(file, left) :]
        except OSError:
            if len(left) < len(line):
                os.ftruncate(file, size)
            raise

    def _failed(self, why: str) -> None:
        if not self.error:
            self._missing_before = self.missing
            logger.error(
                "results file %s: %s; results are missing from it until it can be written again", self._path, why
            )
        self.error = why
        self.missing += 1
        self._retry_at = self._clock() + RETRY_S

    def _works(self) -> None:
        self.error = ""
        logger.warning("results file %s is written again; %d results are missing", self._path, self._missing_now())

    def _missing_now(self) -> int:
        return self.missing - self._missing_before


def _begun(path: Path) -> int:
    """Return the descriptor of the locked, empty file. Raises `ConfigError`, `OSError`."""
    while True:
        file = output_file.opened(path, os.O_RDWR | os.O_APPEND)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = path.exists() and os.path.samestat(path.stat(), os.fstat(file))
            if is_there and os.fstat(file).st_size == 0:
                return file
            if is_there:
                _keep(path, file)
        except BlockingIOError:
            holder = file_lock.holder_of(path)
            os.close(file)
            raise ConfigError(f"results: {path} is in use by another engine ({holder}): choose another file") from None
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # only now: no other engine could begin it meanwhile


def _keep(path: Path, file: int) -> None:
    """Rename a file that has results. Raises `ConfigError` for one that has something else."""
    if not os.pread(file, len(_BEGINS), 0).startswith(_BEGINS):
        raise ConfigError(f"results: {path} does not contain results: choose another file, or move it away")
    numbered = re.compile(re.escape(path.name) + r"\.(\d{1,9})")
    taken = [int(found[1]) for other in path.absolute().parent.iterdir() if (found := numbered.fullmatch(other.name))]
    kept = path.with_name(f"{path.name}.{max(taken, default=0) + 1}")
    path.rename(kept)
    logger.info("results: those of an earlier run are kept in %s", kept)
