"""Reminders of cameras that are not live, so that an engine that waits for one does not wait silently."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

logger = logging.getLogger(__name__)

NAMED = 5
"""Cameras that one reminder names; further ones are counted."""
AWAITED_STATES = ("connecting", "reconnecting", "stalled")
NO_PUBLISHER = "no_publisher"
"""A WHIP camera that waits for a publisher is not an error."""


class Status(Protocol):
    """What a reminder needs to know of a camera."""

    @property
    def camera(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def message(self) -> str: ...


class MissingCameras:
    """The cameras that are not live, and since when. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def reminder(self, statuses: Iterable[Status], now: float, at_least_s: float) -> list[str]:
        """Return a line for each camera that has not been live for `at_least_s`; empty if there is none."""
        missing = {
            status.camera: status
            for status in statuses
            if status.state in AWAITED_STATES and status.reason != NO_PUBLISHER
        }
        self._since = {camera: self._since.get(camera, now) for camera in missing}
        overdue = [status for camera, status in missing.items() if now - self._since[camera] >= at_least_s]
        lines = [f"not live for {now - self._since[status.camera]:.0f} s: {status.message}" for status in overdue]
        more = len(lines) - NAMED
        return [*lines[:NAMED], f"not live either: {more} more cameras"] if more > 0 else lines


async def remind(statuses: Callable[[], Iterable[Status]], every_s: float) -> None:
    """Log a reminder every `every_s` seconds until cancelled."""
    missing, now = MissingCameras(), asyncio.get_running_loop().time
    missing.reminder(statuses(), now(), every_s)
    while True:
        await asyncio.sleep(every_s)
        # The clock may be a little behind the sleep.
        for line in missing.reminder(statuses(), now(), every_s * 0.9):
            logger.warning("%s", line)
