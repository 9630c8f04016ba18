"""Two clocks: the time of day, which may be set, and one that only goes on, for waiting and for limits.

Both are microseconds, and equal at the start of the process, so that times that the ledger keeps are comparable. What
is compared with cameras, quiet hours or people uses the time of day.
"""

from __future__ import annotations

import time

_STARTED_NS, _STEADY_NS = time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def now_us() -> int:
    """Return the time, microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def steady_us() -> int:
    """Return the time as it would be if the clock had not been set since the start. Sleep of the machine counts."""
    return (_STARTED_NS + time.clock_gettime_ns(time.CLOCK_BOOTTIME) - _STEADY_NS) // 1000
