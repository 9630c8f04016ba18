"""ResultsFile: every result as a JSON line. Opened by the engine before anything starts, closed when it stops."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import IO

import msgspec

from stream.results import Frame, Message
from stream.settings.section import ConfigError

logger = logging.getLogger(__name__)


class ResultsFile:
    """Writes what it is told, until the disk is full: then it says so once, and the engine goes on without it.

    Raises `ConfigError` naming `results` if the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as error:
            raise ConfigError(f"results: {path} can't be written: {error.strerror}") from None

    def write(self, topic: str, message: Message) -> None:
        """A result's line; other messages are none of this file's."""
        if self._file is None or not isinstance(message, Frame):
            return
        try:
            self._file.write(msgspec.json.encode(message) + b"\n")
        except OSError as error:
            logger.error("results file %s: %s; no more is written to it", self._path, error.strerror)
            self.close()

    def close(self) -> None:
        """Write what is still held back. May be called again."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:
            logger.error("results file %s: %s; its end is lost", self._path, error.strerror)
