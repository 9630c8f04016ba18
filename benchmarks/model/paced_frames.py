"""Measurement of a model at increasing frame rates, until it no longer sustains one.

Frames are in memory and become due by a clock, with a different phase for each camera. If the model is late, it takes
each camera's newest frame and drops the older ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.cameras.footage import Footage
from stages.types import Model

RATES = (1, 2, 4, 6, 8, 10, 12.5, 15, 20, 25, 30, 40, 50, 60, 80, 100)
"""Tested rates in frames per second per camera, in order, until one is not sustained."""
MIN_PROCESSED = 0.95
WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Paced:
    """Figures at one rate. Ages are from when a frame was due until its result was available."""

    cameras: int
    fps: float
    due: int
    processed: int
    age_ms_p50: float
    age_ms_p99: float

    def sustained(self, limit_ms: float) -> bool:
        """Return whether 95 % of the frames were processed, with a p99 of their age within the limit."""
        return self.processed >= MIN_PROCESSED * self.due and self.age_ms_p99 <= limit_ms


def measure_rates(
    model: Model, footage: Footage, cameras: list[str], seconds: float, limit_ms: float, rates: Sequence[float] = RATES
) -> list[Paced]:
    """Return the figures of all tested rates; all except possibly the last were sustained."""
    tried: list[Paced] = []
    for number, fps in enumerate(rates):
        names = [f"{camera}-paced{number}" for camera in cameras]
        tried.append(measure_rate(model, footage, names, fps, seconds))
        for name in names:
            model.forget(name)
        if not tried[-1].sustained(limit_ms):
            break
    return tried


def measure_rate(model: Model, footage: Footage, cameras: list[str], fps: float, seconds: float) -> Paced:
    """Run the model for `seconds` at one rate, after a warm-up of half a second."""
    count = len(cameras)
    gap = 1 / fps
    began = time.perf_counter()
    last = [-1] * count
    ages: list[float] = []
    due = processed = 0
    while (now := time.perf_counter() - began) < WARM_UP_S + seconds:
        newest = [math.floor(now / gap - index / count) for index in range(count)]
        ready = [index for index in range(count) if newest[index] > last[index]]
        if not ready:
            time.sleep(max(0.0, min((last[index] + 1 + index / count) * gap for index in range(count)) - now))
            continue
        leases = [footage.frame(cameras, index, newest[index], round(newest[index] * gap * 1e6)) for index in ready]
        model.process(leases)
        done = time.perf_counter() - began
        if now >= WARM_UP_S:
            due += sum(newest[index] - last[index] for index in ready)
            processed += len(ready)
            ages += [done - (newest[index] + index / count) * gap for index in ready]
        for index in ready:
            last[index] = newest[index]
    p50, p99 = np.percentile(ages, (50, 99)) * 1e3 if ages else (math.inf, math.inf)
    return Paced(count, fps, due, processed, float(p50), float(p99))
