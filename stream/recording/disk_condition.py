"""Whether a directory can be written at the moment, and why not."""

from __future__ import annotations

import errno
import logging
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Literal

from stream.settings.files import too_little
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

State = Literal["ready", "low_disk", "unwritable"]
FailReason = Literal["low_disk", "disk_full", "unwritable"]


class NoRoomError(OSError):
    """Less than the configured minimum is free on the disk."""


def reason_of(error: OSError | sqlite3.Error) -> FailReason:
    """Return a short code for why something could not be written."""
    if isinstance(error, NoRoomError):
        return "low_disk"
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    full = full or getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return "disk_full" if full else "unwritable"


class DiskCondition:
    """The condition of the directory of a section of the configuration. Changes are logged, each once a minute at most.

    `written`: what is not written while less than `least_free` bytes are free. `lost`: what is lost while nothing can
    be written, as a clause.
    """

    def __init__(self, section: str, directory: Path, least_free: int, written: str, lost: str) -> None:
        self.state: State = "ready"
        self.message = ""
        """Why the directory is not ready, and what to do; empty if it is."""
        self.waits_for_room = False
        """Whether less than the configured minimum is free; other writing may work."""
        self.least_free = least_free
        self._section = section
        self._directory = directory
        self._written = written
        self._lost = lost
        self._logged = RepeatLimiter(1, 60.0)

    def check_room(self) -> None:
        """Raise `NoRoomError` if less than the minimum is free, and OSError if that cannot be told."""
        free = shutil.disk_usage(self._directory).free
        if free < self.least_free:
            what = too_little(free, f"{self._section}.least_free", self.least_free)
            advice = f"free disk space, or lower {self._section}.budget"
            raise NoRoomError(errno.ENOSPC, f"{what}: no {self._written} are written; {advice}")

    def has_room(self) -> bool:
        """Return whether at least the minimum is free, and note it."""
        try:
            self.check_room()
        except OSError as error:
            self.failed(error)
            return False
        if self.state == "low_disk":
            self.works()
        return True

    def works(self) -> None:
        """Note that writing works."""
        if self.state != "ready" and self._logged.admit("ready", time.monotonic())[0]:
            logger.info("%s: %s is written again", self._section, self._directory)
        self.state, self.message, self.waits_for_room = "ready", "", False

    def failed(self, error: OSError | sqlite3.Error) -> None:
        """Note why something could not be written."""
        self.waits_for_room = isinstance(error, NoRoomError)
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if self.waits_for_room:
            return self.set("low_disk", why)
        state: State = "low_disk" if reason_of(error) == "disk_full" else "unwritable"
        return self.set(state, f"{self._directory} cannot be written: {why}; {self._lost} until this is fixed")

    def set(self, state: State, message: str) -> None:
        """Set a state other than ready."""
        if state != self.state and self._logged.admit(state, time.monotonic())[0]:
            logger.error("%s: %s", self._section, message)
        self.state, self.message = state, message
