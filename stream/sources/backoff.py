"""Backoff: the waiting times between one camera's connection attempts."""

from __future__ import annotations

import random

SPREAD = 0.5
"""Largest random reduction of a wait, so that cameras behind one switch do not reconnect all at once."""


class Backoff:
    """Waits that double from `initial_s` to `longest_s`, with downward jitter."""

    def __init__(self, initial_s: float, longest_s: float, chance: random.Random | None = None) -> None:
        self._initial_s = min(initial_s, longest_s)
        self._longest_s = longest_s
        self._chance = chance or random.Random()
        self._next_s = self._initial_s

    def next_s(self) -> float:
        """Return the next wait in seconds."""
        wait_s = self._next_s * (1 - SPREAD * self._chance.random())
        self._next_s = min(self._longest_s, self._next_s * 2)
        return wait_s

    def reset(self) -> None:
        """Begin with short waits again, after a good connection."""
        self._next_s = self._initial_s
