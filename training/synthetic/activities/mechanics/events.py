"""Movements that happen once: their time in the sequence, and the action before, during and after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import ACTION_INDEX, UNSURE, Rng


def event_start(rng: Rng, times: Array, duration: float) -> float:
    """Return the time at which an event of `duration` seconds begins.

    Mostly the sequence ends in the event's later part; otherwise the event ends earlier, so that what follows is also
    seen. It begins within the sequence if there is time for it.
    """
    if rng.random() < 0.6 or duration > times[-1] - times[0]:
        start = times[-1] - rng.uniform(0.4, 1.0) * duration
    else:
        start = rng.uniform(times[0], times[-1] - duration)
    return max(float(start), float(times[0]) - 0.6 * duration)


def event_labels(times: Array, before: str, event: str, after: str, start: float, end: float) -> NDArray[np.int64]:
    """Return the action at `times` [T] around an event from `start` to `end`; its first moments are unsure."""
    labels = np.full(len(times), ACTION_INDEX[before])
    labels[times > start] = UNSURE
    labels[times > start + 0.12 * (end - start)] = ACTION_INDEX[event]
    labels[times > end] = UNSURE
    labels[times > end + 0.15] = ACTION_INDEX[after]
    return labels
