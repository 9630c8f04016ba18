"""95 % confidence intervals: exact ones of counts, and a bootstrap over clips or people for macro averages."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

LEVEL = 0.95
DRAWS = 2000
"""Resamples of a bootstrap; the ends of an interval then repeat to about half a point."""
_SEED = 16


class Interval(NamedTuple):
    """Both ends of a confidence interval."""

    low: float
    high: float


def clopper_pearson(found: int, of: int) -> Interval | None:
    """Return the exact interval of a share, `found` of `of`; None without trials."""
    if not of:
        return None
    tail = (1 - LEVEL) / 2
    low = 0.0 if found == 0 else float(special.betaincinv(found, of - found + 1, tail))
    high = 1.0 if found == of else float(special.betaincinv(found + 1, of - found, 1 - tail))
    return Interval(low, high)


def poisson_count(count: int) -> Interval:
    """Return the exact interval of the mean of a Poisson distribution of which `count` was observed."""
    tail = (1 - LEVEL) / 2
    low = 0.0 if count == 0 else float(special.gammaincinv(count, tail))
    return Interval(low, float(special.gammaincinv(count + 1, 1 - tail)))


def macro(right: NDArray[np.number], of: NDArray[np.number]) -> float | None:
    """Return the mean share of the classes that occur; `right` and `of` are [classes]. None if none occurs."""
    known = of > 0
    return float((right[known] / of[known]).mean()) if known.any() else None


def bootstrap_macro(right: NDArray[np.number], of: NDArray[np.number], draws: int = DRAWS) -> Interval | None:
    """Return the interval of `macro` over resampled units; `right` and `of` are counts [units, classes].

    Units are clips or people and are drawn with replacement, always in the same way. A class that a resample lacks
    keeps its share of all units, so that a class of one unit has no spread. None with fewer than two units that have a
    count.
    """
    counted, known = of.sum(1) > 0, of.sum(0) > 0
    right, of = right[counted][:, known], of[counted][:, known]
    units = len(of)
    if units < 2:
        return None
    rng = np.random.default_rng(_SEED)
    weights = rng.multinomial(units, np.full(units, 1 / units), size=draws).astype(np.float64)
    total = weights @ of
    overall = np.broadcast_to(right.sum(0) / of.sum(0), total.shape).copy()
    means = np.divide(weights @ right, total, out=overall, where=total > 0).mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def bootstrap_share(part: NDArray[np.number], of: NDArray[np.number], draws: int = DRAWS) -> Interval | None:
    """Return the interval of a share over resampled units: sum of `part` [units] by sum of `of` [units].

    None with fewer than two units that have a count.
    """
    counted = of > 0
    part, of = part[counted], of[counted]
    units = len(of)
    if units < 2:
        return None
    weights = np.random.default_rng(_SEED).multinomial(units, np.full(units, 1 / units), size=draws)
    low, high = np.quantile((weights @ part) / (weights @ of), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
