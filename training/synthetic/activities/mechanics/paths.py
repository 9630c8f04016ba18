"""Slightly curved walking paths."""

from __future__ import annotations

import numpy as np

from training.synthetic.motion.motion import ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import Rng, drift


def follow_path(rng: Rng, poses: Array, distance: Array, times: Array, bend: float) -> None:
    """Move limb poses [T, 39] on the spot along a path by `distance` [T] leg lengths, in place.

    The heading varies by up to about `bend` radians to either side.
    """
    heading = drift(rng, times, bend, 12.0, 5.0)
    heading -= heading[0]
    sway = poses[:, 2].copy()
    move = np.diff(distance, prepend=distance[0])
    poses[:, 0] += np.cumsum(move * np.cos(heading)) + sway * np.sin(heading)
    poses[:, 2] = -np.cumsum(move * np.sin(heading)) + sway * np.cos(heading)
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, heading), poses[:, ROOT])
