"""Histograms that the engine updates for every frame and the metrics page reads on request.

They take no lock, because each has a single writing thread. A reader in another thread may see an observation whose sum
is not added yet.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Counts of values per bucket; bounds are inclusive, as in Prometheus (`le`)."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds`: ascending upper bounds; a last bucket without a bound is added."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value. Call it from one thread only."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def count(self) -> int:
        """Number of observed values."""
        return sum(self._counts)

    @property
    def sum(self) -> float:
        """Sum of the observed values."""
        return self._sum

    def cumulative(self) -> list[tuple[float, int]]:
        """Return (upper bound, count of values at or below it) for each bucket; the last bound is infinity."""
        return list(zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True))


def quantile(before: Sequence[tuple[float, int]], now: Sequence[tuple[float, int]], share: float) -> float:
    """Return the value below which `share` of the values lie that were observed between two calls of `cumulative`.

    It is interpolated within its bucket; above all bounds it is the highest bound. 0 if nothing was observed.
    """
    counts = [later - earlier for (_, later), (_, earlier) in zip(now, before, strict=True)]
    wanted = share * counts[-1]
    lower, below = 0.0, 0
    for (bound, _), count in zip(now, counts, strict=True):
        if count >= wanted and count > below:
            return lower if bound == float("inf") else lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    return 0.0
