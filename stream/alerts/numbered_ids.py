"""Ids of what an engine reports: alerts, and the actions of events."""

from __future__ import annotations

import secrets


class NumberedIds:
    """Ids of one kind and run: the prefix, 8 random hexadecimal digits of the run, `-`, and a number from 1.

    Used by the inference thread alone.
    """

    def __init__(self, prefix: str = "") -> None:
        self._run = prefix + secrets.token_hex(4)
        self._count = 0

    def new(self) -> str:
        """Return the next id: unique, and in order within a run."""
        self._count += 1
        return f"{self._run}-{self._count}"
