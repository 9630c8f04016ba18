"""Movements that happen once: when in the sequence, and what is true before, while and after.

Pure functions; own nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import ACTION_INDEX, UNSURE, Rng


def happens_at(rng: Rng, times: Array, duration: float) -> float:
    """When an event of `duration` seconds begins: mostly so that the sequence ends within its later part, else before
    that, so that what follows is seen as well. Never before the sequence, where there is time for it."""
    if rng.random() < 0.6 or duration > times[-1] - times[0]:
        start = times[-1] - rng.uniform(0.4, 1.0) * duration
    else:
        start = rng.uniform(times[0], times[-1] - duration)
    return max(float(start), float(times[0]) - 0.6 * duration)


def event_labels(times: Array, before: str, event: str, after: str, start: float, end: float) -> NDArray[np.int64]:
    """The action at `times` [T] around an event that is seen from `start` to `end`; its first moments are unsure."""
    labels = np.full(len(times), ACTION_INDEX[before])
    labels[times > start] = UNSURE
    labels[times > start + 0.12 * (end - start)] = ACTION_INDEX[event]
    labels[times > end] = UNSURE
    labels[times > end + 0.15] = ACTION_INDEX[after]
    return labels
