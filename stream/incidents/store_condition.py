"""Whether incidents can be kept at the moment, and why not."""

from __future__ import annotations

import errno
import logging
import sqlite3
from pathlib import Path

from stream.incidents.incident import State
from stream.incidents.picture_files import NoRoomError

logger = logging.getLogger(__name__)


class StoreCondition:
    """The condition of the store in a directory. Each change is logged once."""

    def __init__(self, directory: Path) -> None:
        self.state: State = "ready"
        self.message = ""
        """Why incidents or pictures cannot be kept, and what to do; empty if they can."""
        self.waits_for_room = False
        """Whether only pictures are not written, because less than the configured minimum is free."""
        self._directory = directory

    def works(self) -> None:
        """Note that writing works."""
        if self.state != "ready":
            logger.info("incidents: %s is written again", self._directory)
        self.state, self.message, self.waits_for_room = "ready", "", False

    def failed(self, error: OSError | sqlite3.Error) -> None:
        """Note why something could not be written."""
        self.waits_for_room = isinstance(error, NoRoomError)
        if isinstance(error, NoRoomError):
            return self._set("low_disk", str(error.strerror))
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        full = full or getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        self._set(
            "low_disk" if full else "unwritable",
            f"{self._directory} cannot be written: {why}; incidents or their pictures are lost until this is fixed",
        )

    def _set(self, state: State, message: str) -> None:
        if state != self.state:
            logger.error("incidents: %s", message)
        self.state, self.message = state, message
