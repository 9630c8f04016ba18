"""The time until the answer for a person's action is correct and stays correct.

A stretch is one person doing one action, from its beginning or the person's appearance until its end or disappearance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from training.footage.judging import Judged

STAYS_S = 0.5
"""An answer must be correct for this long without a break; shorter stretches do not count."""
GONE_S = 1.0
"""A person who is not counted for longer than this appears again."""
_ROUNDING_S = 1e-6


class Settled(NamedTuple):
    """One stretch: seconds from its beginning to the first answer that stays correct, infinite without one; and whether
    the same person did something else just before."""

    truth: str
    seconds: float
    changed: bool


class SettlingFigures(msgspec.Struct, frozen=True):
    """The number of stretches, their median and 90th percentile (None: never), and the share that never settles."""

    stretches: int
    median_s: float | None
    slowest_tenth_s: float | None
    never: float | None


def settled(judged: Iterable[Judged]) -> list[Settled]:
    """Return every stretch that is long enough, by video, person and time."""
    found: list[Settled] = []
    in_order = sorted(judged, key=lambda one: (one.clip, one.person, one.time))
    for _, own in groupby(in_order, key=lambda one: (one.clip, one.person)):
        stretch: list[Judged] = []
        changed = False
        for one in own:
            if stretch and (one.truth != stretch[-1].truth or one.time - stretch[-1].time > GONE_S):
                found += _of(stretch, changed)
                changed = one.time - stretch[-1].time <= GONE_S
                stretch = []
            stretch.append(one)
        found += _of(stretch, changed)
    return found


def figures(stretches: Sequence[Settled]) -> SettlingFigures:
    """Return the figures of many stretches; those that never settle count as infinite, including in the median."""
    if not stretches:
        return SettlingFigures(0, None, None, None)
    times = sorted(one.seconds for one in stretches)
    never = sum(math.isinf(time) for time in times)
    return SettlingFigures(len(times), _quantile(times, 0.5), _quantile(times, 0.9), never / len(times))


def _of(stretch: Sequence[Judged], changed: bool) -> list[Settled]:
    if not stretch or stretch[-1].time - stretch[0].time < STAYS_S - _ROUNDING_S:
        return []
    start: float | None = None
    for one in stretch:
        if one.answer != one.truth:
            start = None
            continue
        start = one.time if start is None else start
        if one.time - start >= STAYS_S - _ROUNDING_S:
            return [Settled(one.truth, start - stretch[0].time, changed)]
    return [Settled(stretch[0].truth, math.inf, changed)]


def _quantile(times: Sequence[float], share: float) -> float | None:
    """Return the least time within which at least that share of the stretches has settled."""
    time = times[max(0, math.ceil(share * len(times)) - 1)]
    return None if math.isinf(time) else time
