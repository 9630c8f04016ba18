"""Two clocks: the time of day, which may be set, and one that only goes on, for waiting and for limits.

Both are microseconds, and equal at the start of the process, so that times that the ledger keeps are comparable. What
is compared with cameras, quiet hours or people uses the time of day.
"""

from __future__ import annotations

import time
from typing import NamedTuple

_STARTED_NS, _STEADY_NS = time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Now(NamedTuple):
    """An instant: `us` is the time of day, UTC; `steady_us` what it would be if the clock had never been set."""

    us: int
    steady_us: int


def now() -> Now:
    """Return the present instant. Sleep of the machine counts."""
    steady_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Now(time.time_ns() // 1000, (_STARTED_NS + steady_ns - _STEADY_NS) // 1000)
