"""Tallies: counts kept where a frame passes, as plain numbers, and read only when somebody asks for the metrics page.

A frame that passes costs an addition or two, and no lock: each tally has one writer. A reader in another thread may
see an observation whose sum isn't added yet; the next page has it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """How often values fell into buckets; a bucket's bound belongs to it (`le`)."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds`: upper bounds of the buckets, ascending; what lies above them all is counted beyond."""
        if list(bounds) != sorted(set(bounds)):
            raise ValueError(f"the bounds of a histogram ascend, each once: {list(bounds)}")
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value. For the one thread that writes."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def count(self) -> int:
        """Values observed."""
        return sum(self._counts)

    @property
    def sum(self) -> float:
        """Their sum."""
        return self._sum

    def cumulative(self) -> list[tuple[float, int]]:
        """(upper bound, values at or below it) of each bucket, the last one's bound infinity."""
        return list(zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True))
