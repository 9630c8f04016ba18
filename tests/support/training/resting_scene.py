"""A person at rest, for comparison."""

from __future__ import annotations

import numpy as np

from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import ACTION_INDEX, TAG_INDEX, upright
from training.synthetic.sequences.scenes import Scene


def resting_scene(times: Array) -> Scene:
    """Return a scene of a person who stands still."""
    tags = np.zeros((len(times), len(TAG_INDEX)))
    tags[:, TAG_INDEX["stand"]] = 1.0
    return Scene(upright(times), tags, np.full(len(times), ACTION_INDEX["stand"]), False, False)
