"""The slope of a line through samples that are taken one after another, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
BLOCKS = 20
"""Samples are drawn in blocks, because neighbours are alike."""


@dataclass(frozen=True, slots=True)
class Slope:
    """y per x: the estimate, and the interval of 95 % of the resamples."""

    estimate: float
    low: float
    high: float


def slope(x: Sequence[float], y: Sequence[float], seed: int = 1) -> Slope | None:
    """Fit a line, and resample the residuals in blocks. None for too few samples, or if all x are equal."""
    if len(x) < 2 * BLOCKS or min(x) == max(x):
        return None
    at, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    estimate, height = np.polyfit(at, values, 1)
    residuals = values - estimate * at - height
    from_middle = at - at.mean()
    weights = from_middle / (from_middle @ from_middle)
    length = len(at) // BLOCKS
    blocks = -(-len(at) // length)
    rng = np.random.default_rng(seed)
    slopes: list[float] = []
    for _ in range(RESAMPLES):
        starts = rng.integers(0, len(at) - length + 1, blocks)
        drawn = residuals[(starts[:, None] + np.arange(length)).ravel()[: len(at)]]
        slopes.append(float(estimate + weights @ drawn))
    low, high = np.percentile(slopes, [2.5, 97.5])
    return Slope(float(estimate), float(low), float(high))
