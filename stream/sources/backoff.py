"""Backoff: how long to wait before connecting again. Pure but for its random numbers; one a camera."""

from __future__ import annotations

import random

SPREAD = 0.5
"""A wait is shortened by up to this share at random, so that cameras behind one switch don't return all at once."""


class Backoff:
    """Doubles from `initial_s` up to `longest_s`, jittered downwards."""

    def __init__(self, initial_s: float, longest_s: float, chance: random.Random | None = None) -> None:
        self._initial_s = min(initial_s, longest_s)
        self._longest_s = longest_s
        self._chance = chance or random.Random()
        self._next_s = self._initial_s

    def next_s(self) -> float:
        """The next wait, in seconds."""
        wait_s = self._next_s * (1 - SPREAD * self._chance.random())
        self._next_s = min(self._longest_s, self._next_s * 2)
        return wait_s

    def reset(self) -> None:
        """All was well for a while: begin with short waits again."""
        self._next_s = self._initial_s
