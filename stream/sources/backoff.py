"""Backoff: the waits between one camera's attempts to connect."""

from __future__ import annotations

import random

MAX_JITTER = 0.5
"""Largest random reduction of a wait, so that cameras behind one switch do not reconnect all at once."""
MAX_AFTER_REFUSAL_S = 1.0
"""Longest wait after a refusal."""


class Backoff:
    """Waits that double from `initial_s` to `max_s`, with downward jitter."""

    def __init__(self, initial_s: float, max_s: float, rng: random.Random | None = None) -> None:
        self._initial_s = min(initial_s, max_s)
        self._max_s = max_s
        self._rng = rng or random.Random()
        self._next_s = self._initial_s

    def next_s(self, *, refused: bool = False) -> float:
        """Return the next wait in seconds.

        `refused`: the host answered that no process listens. Another attempt costs one packet, so the wait is at most
        `MAX_AFTER_REFUSAL_S`; later waits double as usual.
        """
        longest = min(self._next_s, MAX_AFTER_REFUSAL_S) if refused else self._next_s
        wait_s = longest * (1 - MAX_JITTER * self._rng.random())
        self._next_s = min(self._max_s, self._next_s * 2)
        return wait_s

    def reset(self) -> None:
        """Begin with short waits again, after a good connection."""
        self._next_s = self._initial_s
