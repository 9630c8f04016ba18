"""Measurement of which of several computations is fastest, in turns, so that a busy moment affects all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Name = TypeVar("Name")
Size = tuple[int, int]
"""Height and width of a picture."""
Times = dict[Size, float]
"""Seconds for a picture of each size."""

GAIN = 0.95
"""A less preferred candidate is chosen if it takes at most this share of the time."""


Clock = Callable[[], float]
"""Returns seconds."""


def cost_clock(*threads: int) -> Clock:
    """Return the clock by which runtimes with these numbers of threads are compared.

    It is the processor time of this process if all have one thread, because other programs do not disturb it.
    Of several threads it would show neither how well they divide the work nor that they finish it sooner than one.
    """
    return time.process_time if max(threads) == 1 else time.perf_counter


def measure(
    runs: Mapping[Name, Mapping[Size, Callable[[], object]]],
    budget_s: float,
    cost: Clock,
    limit_s: float,
    clock: Clock = time.perf_counter,
) -> dict[Name, Times]:
    """Return the least cost of each run at each size.

    Each run is called once to warm up, then in rounds of all, at least one, until the rounds have cost `budget_s` or
    `limit_s` have passed by `clock`.
    """
    for by_size in runs.values():
        for run in by_size.values():
            run()
    times: dict[Name, Times] = {name: dict.fromkeys(by_size, float("inf")) for name, by_size in runs.items()}
    cost_began, began = cost(), clock()
    while True:
        for name, by_size in runs.items():
            for size, run in by_size.items():
                start = cost()
                run()
                times[name][size] = min(times[name][size], cost() - start)
        if cost() - cost_began >= budget_s or clock() - began >= limit_s:
            return times


def fastest(times: Mapping[Name, Times]) -> Name:
    """Return the name with the least total time; an earlier one, if a later one is not faster by `GAIN`."""
    names = iter(times)
    best = next(names)
    for name in names:
        if sum(times[name].values()) <= GAIN * sum(times[best].values()):
            best = name
    return best
