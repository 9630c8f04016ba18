"""The growth of a process's memory: a line through samples of one process, with an interval of its slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from support.slopes import slope

LEAST_S = 600.0
"""Shorter stretches are not judged: caches still fill."""


@dataclass(frozen=True)
class Slope:
    """MiB per hour: the estimate, and the interval of 95 % of the resamples."""

    mib_per_hour: float
    low: float
    high: float
    seconds: float
    samples: int

    @property
    def judged(self) -> bool:
        """Whether the stretch is long enough for a verdict."""
        return self.seconds >= LEAST_S

    @property
    def grows(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0


def slope_of(samples: Sequence[tuple[float, int]], seed: int = 1) -> Slope | None:
    """Fit the second half of `(seconds, bytes)`. None for too few samples."""
    half = list(samples)[len(samples) // 2 :]
    found = slope([at / 3600 for at, _ in half], [size / (1 << 20) for _, size in half], seed)
    if found is None:
        return None
    return Slope(found.estimate, found.low, found.high, half[-1][0] - half[0][0], len(half))
