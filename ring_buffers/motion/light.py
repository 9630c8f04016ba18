"""The change of the light between two small pictures, as automatic exposure, clouds and lamps cause it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST = 1.0
"""Change of a cell, in levels, below which the light counts as unchanged."""
NEAR, NEAR_SHARE = 4.0, 0.3
"""The light is unchanged if the cells that change by fewer levels do not change with a gain or an offset, and are at
least this share of all cells."""
SCALES = (24.0, 8.0, 4.0)
"""Levels by which a cell may differ from an estimate before it counts much less, in three passes."""
GAIN_PRIOR = 4.0**2
"""Variance of the levels of a picture's cells below which a gain cannot be told from an offset."""
UNSATURATED, SATURATED_WEIGHT = 105.0, 0.02
"""Cells further from the middle than the first are often saturated, and then keep their level. They hardly count,
unless most of the picture is dark or bright."""
MIDDLE = 128.0
"""Level from which others are measured here, which keeps the precision of float32."""

Levels = NDArray[np.float32]


class Light(NamedTuple):
    """A level of 0 to 255 becomes `gain` x level + `offset`."""

    gain: float
    offset: float
    mean: float
    """Mean change of the cells, in levels."""
    most: float
    """Largest change of a cell, in levels."""


UNCHANGED = Light(1.0, 0.0, 0.0, 0.0)


def light_change(before: Levels, now: Levels) -> Light:
    """Estimate the change from the mean levels of the cells: float32 [cells] each.

    It is the weighted least squares line. Cells that move are far from it and hardly count.
    """
    before = before - MIDDLE
    now = now - MIDDLE
    known = np.abs(before) < UNSATURATED
    if _unchanged(before, now - before, known):
        return UNCHANGED
    counts = np.where(known & (np.abs(now) < UNSATURATED), np.float32(1), np.float32(SATURATED_WEIGHT))
    light = UNCHANGED
    for scale in SCALES:
        light = _line(before, now, counts, light, scale)
    return light._replace(offset=light.offset + MIDDLE * (1 - light.gain))


def _unchanged(before: Levels, change: Levels, known: NDArray[np.bool_]) -> bool:
    """Return whether the cells that change little show that the light did not change, which takes half the time."""
    near = known & (np.abs(change) < NEAR)
    before, change = before[near], change[near]
    count = len(before)
    if count < NEAR_SHARE * len(near):
        return False
    mean_before, mean_change = float(before.sum()) / count, float(change.sum()) / count
    variance = float(before.dot(before)) / count - mean_before**2
    slope = (float(before.dot(change)) / count - mean_before * mean_change) / (variance + GAIN_PRIOR)
    return max(abs(mean_change + slope * (end - mean_before)) for end in (-MIDDLE, MIDDLE)) < LEAST


def _line(before: Levels, now: Levels, counts: Levels, light: Light, scale: float) -> Light:
    """Return the line with weights by the distances from another line, for levels measured from `MIDDLE`."""
    weights = now - before * light.gain
    weights -= light.offset
    weights *= 1 / scale
    weights *= weights
    weights += 1
    weights *= weights
    np.divide(counts, weights, out=weights)
    weights *= 1 / float(weights.sum())
    weighted = weights * before
    mean_before, mean_now = float(weighted.sum()), float(weights.dot(now))
    variance = float(weighted.dot(before)) - mean_before**2
    covariance = float(weighted.dot(now)) - mean_before * mean_now
    gain = (covariance + GAIN_PRIOR) / (variance + GAIN_PRIOR)
    offset = mean_now - gain * mean_before
    change = before * (gain - 1)
    change += offset
    np.abs(change, out=change)
    return Light(gain, offset, float(change.sum()) / len(change), float(change.max()))
