"""Medians, their intervals, and conclusions from them.

Runs alternate, so figures are compared in pairs: run i of one contender with run i of the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["met", "missed", "not resolved"]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """Median of `n` values and its confidence interval of at least 95 %.

    `low` and `high` are None for fewer than six values, which allow no such interval.
    """

    median: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 else 1 if self.median >= 10 else 2
        if self.low is None or self.high is None:
            return f"{self.median:.{digits}f} (n={self.n})"
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two middle ones; NaN for no values."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def estimate(values: Sequence[float]) -> Estimate:
    """Return the median with its interval from order statistics, without assumptions about the distribution.

    For nine values, the interval reaches from the second smallest to the second largest (96.1 %).
    """
    ordered = sorted(values)
    n = len(ordered)
    rank = _interval_rank(n)
    if rank is None:
        return Estimate(median(ordered), None, None, n)
    return Estimate(median(ordered), ordered[rank], ordered[n - 1 - rank], n)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return `ours[i] / theirs[i]` for each pair of runs. Raises ValueError if the lengths differ."""
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} runs cannot be paired with {len(theirs)}")
    return [a / b if b else math.inf for a, b in zip(ours, theirs, strict=True)]


def at_most(value: Estimate, limit: float) -> Outcome:
    """Return whether the median is at most `limit`; resolved only if the whole interval is on one side of it."""
    if value.low is None or value.high is None:
        return "not resolved"
    if value.high <= limit:
        return "met"
    return "missed" if value.low > limit else "not resolved"


def at_least(value: Estimate, limit: float) -> Outcome:
    """Return whether the median is at least `limit`, with the rule of `at_most`."""
    if value.low is None or value.high is None:
        return "not resolved"
    if value.low >= limit:
        return "met"
    return "missed" if value.high < limit else "not resolved"


def all_zero(counts: Sequence[int]) -> Outcome:
    """Return whether all counts are zero; not resolved without runs."""
    if not counts:
        return "not resolved"
    return "missed" if any(counts) else "met"


def _interval_rank(n: int) -> int | None:
    """Return the largest index k with P(median in [x_k, x_(n-1-k)]) >= 95 %, None if k = 0 has less."""
    rank = None
    below = 0.0
    for k in range((n + 1) // 2):
        below += math.comb(n, k) / 2**n
        if 1 - 2 * below < CONFIDENCE:
            break
        rank = k
    return rank
