"""Whether a coordinator answers an engine: says so in the log, and why the engine has not joined yet.

No sockets and no clock of its own: times are given as arguments, in seconds.
"""

from __future__ import annotations

import logging

from stream.settings.fleet import FleetSettings
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

SILENT_S = 3.0
"""Time without an answer until this is logged."""
WARN_EVERY_S = 60.0


class Contact:
    """The answers of a coordinator, for the log and the readiness probe."""

    def __init__(self, settings: FleetSettings) -> None:
        where = (
            "fleet.coordinator" if settings.coordinator is not None else f"the address in {settings.coordinator_file}"
        )
        keys = ", and fleet.server_key and key_file" if settings.server_key is not None else ""
        self._advice = f"check that it runs, {where} with its port{keys}"
        self._asked_s: float | None = None
        """When it was asked first since its last answer."""
        self._silent = self._refused = self._joined = False
        self._warned = False
        self._limiter = RepeatLimiter(1, WARN_EVERY_S)

    def asked(self, address: str | None, now_s: float) -> None:
        """Note that a renewal is about to be sent, and log it if none was answered for some time."""
        if self._asked_s is None:
            self._asked_s = now_s
        self._silent = now_s - self._asked_s >= SILENT_S
        if self._silent and self._limiter.admit("silent", now_s)[0]:
            self._warned = True
            logger.warning("fleet: no coordinator answers at %s: %s", address, self._advice)

    def answered(self, address: str | None, *, refused: bool) -> None:
        """Note an answer, and log the first one after a warning. `refused`: it does not accept the engine."""
        self._asked_s, self._silent, self._refused = None, False, refused
        self._joined = self._joined or not refused
        if self._warned:
            self._warned = False
            logger.info("fleet: the coordinator answers at %s", address)

    @property
    def problem(self) -> str:
        """Why the engine has not joined since its start; empty if it has. Names no address: anyone may read it."""
        if self._joined:
            return ""
        if self._silent:
            return "no coordinator answers; see the log"
        return "the coordinator refuses this engine; see the log" if self._refused else "the engine has not joined yet"
