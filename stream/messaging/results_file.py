"""The results file: every result as a JSON line, from the engine's start to its stop."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import IO

import msgspec

from stream.results import Frame, Message
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)


class ResultsFile:
    """Writes results until an error, such as a full disk; it is logged once and the engine continues.

    Raises `ConfigError` naming `results` if the file cannot be opened.
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
        """Write the line of a result; other messages are ignored."""
        if self._file is None or not isinstance(message, Frame):
            return
        try:
            self._file.write(msgspec.json.encode(message) + b"\n")
        except OSError as error:
            logger.error("results file %s: %s; nothing more is written to it", self._path, error.strerror)
            self.close()

    def close(self) -> None:
        """Flush and close. May be called again."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:
            logger.error("results file %s: %s; the last results are missing", self._path, error.strerror)
