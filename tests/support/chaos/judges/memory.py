"""The growth of a process's memory: a line through samples of one process, with an interval of its slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
BLOCKS = 20
"""Samples are drawn in blocks, because neighbours are alike."""
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
    """Fit the second half of `(seconds, bytes)`, and resample the residuals in blocks. None for too few samples."""
    half = list(samples)[len(samples) // 2 :]
    if len(half) < 2 * BLOCKS:
        return None
    at_h = np.array([at for at, _ in half]) / 3600
    mib = np.array([size for _, size in half]) / (1 << 20)
    slope, height = np.polyfit(at_h, mib, 1)
    fitted = slope * at_h + height
    residuals = mib - fitted
    length = len(half) // BLOCKS
    rng = np.random.default_rng(seed)
    slopes: list[float] = []
    for _ in range(RESAMPLES):
        starts = rng.integers(0, len(half) - length + 1, BLOCKS + 1)
        drawn = np.concatenate([residuals[start : start + length] for start in starts])[: len(half)]
        slopes.append(float(np.polyfit(at_h, fitted + drawn, 1)[0]))
    low, high = np.percentile(slopes, [2.5, 97.5])
    return Slope(float(slope), float(low), float(high), half[-1][0] - half[0][0], len(half))
