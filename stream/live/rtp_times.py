"""Media times of a camera's epochs as one RTP clock that never goes back."""

from __future__ import annotations

RATE = 90_000
"""Ticks per second, for every video codec."""


class RtpTimes:
    """One viewer's RTP clock: it follows media time within an epoch, and arrival times from one epoch to the next."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._base = 0
        self._last = 0
        self._last_arrival_ns = 0

    def ticks(self, epoch: int, media_us: int, arrival_ns: int) -> int:
        """Return the timestamp of the next unit, from 0 on."""
        at = media_us * RATE // 1_000_000
        if epoch != self._epoch:
            passed = (
                max(1, (arrival_ns - self._last_arrival_ns) * RATE // 1_000_000_000) if self._epoch is not None else 0
            )
            self._base = self._last + passed - at
            self._epoch = epoch
        self._last = self._base + at
        self._last_arrival_ns = arrival_ns
        return self._last
