"""Views of people whose joints are known in 2-D only: faces, and how far joints are from the camera.

Annotations mark the head by one point. The detector always reports five; if they were missing, the network could
recognise annotated sources by that, instead of their actions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.sequences.detector_errors import PAIR_WIDTH, slow_noise

Array = NDArray[np.float64]

#                       ahead, up, to the left
_FACE = np.array([(0.034, -0.015, 0.0), (0.018, 0.011, 0.021), (0.018, 0.011, -0.021),
                  (-0.034, -0.002, 0.047), (-0.034, -0.002, -0.047)])  # fmt: skip
"""Nose, eyes and ears relative to the head's centre, in statures, as of `training.synthetic.motion.skeleton`."""
_HEAD_TURN = 0.35
"""Usual angle between head and chest, in radians."""
_FOREARM = 0.15
_METRES = 1.7
_DISTANCE = 10.0


def with_faces(rng: np.random.Generator, points: Array, facing: Array, side: Array, gap: Array) -> Array:
    """Return joints [N, T, 17, 2] in statures with unset eyes and ears (NaN) placed on the head.

    If both ears and eyes are unset, the nose marks the head's centre and moves, too. The head is turned like the chest
    (`facing`, `side` [N, T]), give or take. `gap` [N, T] are the seconds before each step.
    """
    neck = points[:, :, 5:7].mean(2)
    trunk = neck - points[:, :, 11:13].mean(2)
    up = _unit(_unit(trunk) + 1.5 * _unit(points[:, :, 0] - neck))
    right = np.stack([-up[..., 1], up[..., 0]], -1)
    yaw = np.arctan2(side, facing) + _HEAD_TURN * slow_noise(rng, gap, 1.0, 1)[..., 0]
    nod = 0.008 * slow_noise(rng, gap, 1.0, 1)
    ahead, above, left = _FACE.T
    along = np.cos(yaw)[..., None] * left + np.sin(yaw)[..., None] * ahead
    above = above + nod * np.array([1.0, 0.7, 0.7, 0.0, 0.0])
    offset = along[..., None] * right[:, :, None] + above[..., None] * up[:, :, None]
    unset: NDArray[np.bool_] = np.isnan(points[:, :, :5, 0])
    centre = points[:, :, :1].copy()
    alone: NDArray[np.bool_] = np.all(unset[:, :, 1:], axis=-1)
    # A nose that was detected is a nose; the centre is behind it.
    centre = np.where(alone[..., None, None], centre, centre - offset[:, :, :1])
    unset[:, :, 0] |= alone
    out = points.copy()
    out[:, :, :5] = np.where(unset[..., None], centre + offset, points[:, :, :5])
    return out


def depths(points: Array, facing: Array, side: Array) -> Array:
    """Return joints' distances from the camera [N, T, 17] in metres, from joints [N, T, 17, 2] in statures.

    The side that is turned away is farther. A forearm that looks short reaches ahead: towards the camera from the
    front, away from it from behind.
    """
    away = np.zeros(points.shape[:3])
    away[..., 1::2] = PAIR_WIDTH[1::2] * side[..., None]
    away[..., 2::2] = -PAIR_WIDTH[2::2] * side[..., None]
    forearm = np.linalg.norm(points[:, :, 9:11] - points[:, :, 7:9], axis=-1)
    away[:, :, 9:11] -= np.sqrt(np.maximum(_FOREARM**2 - forearm**2, 0)) * facing[..., None]
    # In profile the trunk hides the far hand.
    away[:, :, 9] += 0.03 * (side > 0.7)
    away[:, :, 10] += 0.03 * (side < -0.7)
    return _DISTANCE + _METRES * away


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
