"""Telling standing from walking by pace, for the targets of generated sequences.

Footage is labelled by one rule (docs/footage.md): moving by stepping at a quarter of the person's height per second is
walking. Generated movements do not follow it: strolling may be slower, and shifting one's feet faster.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.movement import ACTION_INDEX, UNSURE

Array = NDArray[np.float64]

WALKING_PACE = 0.25
"""Pace in statures per second above which a person does not stand."""
STANDING_PACE = 0.12
"""Pace in statures per second below which a person does not walk. Walking on the spot therefore has no label."""
_HALF_WINDOW_S = 0.5
"""The pace is measured over a second, because speed rises and falls twice within each stride."""


def pace(pelvis: Array, times: Array, stature: Array) -> Array:
    """Return how fast people move over the floor, in statures per second, [N, T].

    `pelvis` [N, T, 3] metres with y up, `times` [N, T] seconds (padding repeats the last instant), `stature` [N]
    metres. The pace is the displacement from half a second before to half a second after, or over as much of that as is
    known, divided by its time.
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


def without_doubtful_actions(
    action: NDArray[np.int64], pelvis: Array, times: Array, stature: Array
) -> NDArray[np.int64]:
    """Return `action` [N, T] (`training.synthetic.motion.movement.ACTIONS`), unsure where a standing person moves as
    fast as walking people, or the other way round."""
    fast = pace(pelvis, times, stature)
    stands, walks = ACTION_INDEX["stand"], ACTION_INDEX["walk"]
    doubtful = ((action == stands) & (fast > WALKING_PACE)) | ((action == walks) & (fast < STANDING_PACE))
    return np.where(doubtful, UNSURE, action)
