"""Walking or standing, by how fast a person gets on: what generated sequences are taught where the two meet.

Pure functions over a batch. Footage is labelled by one rule (docs/footage.md): a quarter of the person's height a
second, by stepping, is walking. Movements are composed without it: who strolls may be slower, who treads about quicker.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.movement import ACTION_INDEX, UNSURE

Array = NDArray[np.float64]

WALKS = 0.25
"""Statures a second: who gets on faster doesn't stand."""
STANDS = 0.12
"""Who gets on slower isn't walking by that rule; on the spot it is neither, or nothing that a label tells."""
_HALF_WINDOW_S = 0.5
"""The pace is that of a second: a step's own speed goes up and down twice as often."""


def pace(pelvis: Array, times: Array, stature: Array) -> Array:
    """How fast people get on over the floor, in statures a second, [N, T].

    pelvis [N, T, 3] metres with y up, times [N, T] seconds (padding repeats the last instant), stature [N] metres. It
    is the way from half a second before to half a second after, or as much of it as is known.
    """
    out = np.zeros(times.shape)
    for row, own in enumerate(times):
        before, after = np.maximum(own - _HALF_WINDOW_S, own[0]), np.minimum(own + _HALF_WINDOW_S, own[-1])
        along, across = (
            np.interp(after, own, pelvis[row, :, axis]) - np.interp(before, own, pelvis[row, :, axis])
            for axis in (0, 2)
        )
        out[row] = np.hypot(along, across) / np.maximum(after - before, 1e-3) / stature[row]
    return out


def told_apart(action: NDArray[np.int64], pelvis: Array, times: Array, stature: Array) -> NDArray[np.int64]:
    """`action` [N, T] (`training.synthetic.motion.movement.ACTIONS`), unsure where someone who is said to stand gets on
    as fast as who walks, or the other way round."""
    fast = pace(pelvis, times, stature)
    stands, walks = ACTION_INDEX["stand"], ACTION_INDEX["walk"]
    doubtful = ((action == stands) & (fast > WALKS)) | ((action == walks) & (fast < STANDS))
    return np.where(doubtful, UNSURE, action)
