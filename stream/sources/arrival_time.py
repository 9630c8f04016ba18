"""The time by this computer's clock at which something arrived."""

from __future__ import annotations

import time

CLOSE_NS = 1_000_000
"""Readings of two clocks that are this close count as one."""
TRIES = 5


def utc_us_at(monotonic_ns: int) -> int:
    """Return the UTC time in µs at a moment of the recent past, given by `time.monotonic_ns`.

    The two clocks are read at the same moment. On a busy machine, a thread may wait for seconds between two readings,
    which would look like a clock that was set (`stream.sources.decoding.clock`).
    """
    closest: tuple[int, int] | None = None
    for _ in range(TRIES):
        before_ns, utc_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        apart_ns = after_ns - before_ns
        if closest is None or apart_ns < closest[0]:
            closest = (apart_ns, utc_ns - (before_ns + after_ns) // 2)
        if apart_ns <= CLOSE_NS:
            break
    assert closest is not None
    return (monotonic_ns + closest[1]) // 1000
