"""The results file: every result as a JSON line, from the engine's start to its stop.

Results of earlier runs are never lost: a file that has any is renamed to the next free name with a number, so that the
file contains one run. Each line is written at once, whole or not at all, so that it survives the end of the process.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from contextlib import suppress
from pathlib import Path

import msgspec

from stream import file_lock, output_file
from stream.results import FRAME_SCHEMA, Frame, Message
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

_BEGINS = b'{"schema":"' + FRAME_SCHEMA.partition("/")[0].encode() + b"/"


class ResultsFile:
    """Writes results until an error, such as a full disk; it is logged once and the engine continues.

    Raises `ConfigError` naming `results` if the file cannot be opened, has other content, or is in use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
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
        try:
            _write_line(self._file, msgspec.json.encode(message) + b"\n")
        except OSError as error:
            logger.error("results file %s: %s; nothing more is written to it", self._path, error.strerror)
            self.close()

    def close(self) -> None:
        """Close the file. May be called again."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)  # which ends the lock


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


def _write_line(file: int, line: bytes) -> None:
    """Append the whole line, or raise `OSError` and leave the file as it was."""
    size, left = os.fstat(file).st_size, memoryview(line)
    try:
        while left:
            left = left[os.write(file, left) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise
