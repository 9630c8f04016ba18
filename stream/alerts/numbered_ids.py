"""Ids of what an engine reports: alerts, and the actions of events."""

from __future__ import annotations

import secrets


class NumberedIds:
    """Ids of one kind and camera: the prefix, 16 random hexadecimal digits, `-`, and a number from 1.

    Each camera has its own, so that an id does not tell how much begins at others. The digits make ids of all cameras
    and runs differ. Used by the inference thread alone.
    """

    def __init__(self, prefix: str = "") -> None:
        self._begin = prefix + secrets.token_hex(8)
        self._count = 0

    def new(self) -> str:
        """Return the next id: unique, and in the order of the camera's ids."""
        self._count += 1
        return f"{self._begin}-{self._count}"
