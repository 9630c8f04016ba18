"""Lowered arms for people whose captured arms are held up while they stand, sit or squat.

The subjects of UI-PRMD hold their arms out or overhead in nearly all frames of standing, sitting, sitting down and
standing up, and no other data set has as many people who do so. Without this change, the network would learn that
raised arms mean sitting, and would classify waving as standing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.sources.captured.bodies import ELBOWS, SHOULDERS, WRISTS, chest_axes
from training.synthetic.sequences.detector_errors import slow_noise

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ACTIONS = frozenset({"stand", "sit", "sit_down", "stand_up", "squat"})
"""Actions that do not need raised arms."""
_SHARE = 0.75
"""Share of the people with raised arms who lower them."""
_RAISED, _MOSTLY = 0.35, 0.7
"""An arm is raised if the wrist is less than this share of the arm's length below the shoulder, at most steps."""
_SWAY, _SWAY_SECONDS = np.radians(4.0), 0.8


def with_lowered_arms(rng: np.random.Generator, joints: Array, gap: Array, apt: Flags) -> Array:
    """Return joints [N, T, 15, 3], y up, with arms that hang or are bent in front for most of the people who hold both
    arms up and are `apt` [N]. `gap` [N, T]: seconds since the step before. Random numbers are drawn for all alike."""
    count, steps = gap.shape
    chosen = rng.random(count) < _SHARE
    bent = rng.random((count, 2)) < 0.4
    forward = np.where(bent, rng.uniform(5, 30, (count, 2)), rng.normal(3, 6, (count, 2)).clip(-10, 16))
    outward = rng.uniform(4, 18, (count, 2))
    elbow = np.where(bent, rng.uniform(50, 95, (count, 2)), rng.uniform(4, 35, (count, 2)))
    sway = _SWAY * slow_noise(rng, gap, _SWAY_SECONDS, 4).reshape(count, steps, 2, 2)
    rows = np.flatnonzero(apt & chosen & _raised(joints))
    if not len(rows):
        return joints
    out, own = joints.copy(), joints[rows]
    _, ahead, right = chest_axes(own)
    level = np.array([1.0, 0.0, 1.0])
    ahead, right = (axis * level / np.maximum(np.linalg.norm(axis * level, axis=-1, keepdims=True), 1e-6)
                    for axis in (ahead, right))  # fmt: skip
    aside = np.stack([-right, right], 2)  # [rows, T, 2, 3]
    first = np.radians(forward[rows])[:, None] + sway[rows, ..., 0]
    second = first + np.radians(elbow[rows])[:, None] + sway[rows, ..., 1]

    def direction(angle: Array, out_angle: Array) -> Array:
        """Return unit vectors at an angle forward of straight down, and aside."""
        swung = np.cos(angle)[..., None] * np.array([0.0, -1.0, 0.0]) + np.sin(angle)[..., None] * ahead[:, :, None]
        return np.cos(out_angle)[..., None] * swung + np.sin(out_angle)[..., None] * aside

    abduction = np.broadcast_to(np.radians(outward[rows])[:, None], first.shape)
    upper = np.linalg.norm(own[:, :, ELBOWS] - own[:, :, SHOULDERS], axis=-1, keepdims=True)
    lower = np.linalg.norm(own[:, :, WRISTS] - own[:, :, ELBOWS], axis=-1, keepdims=True)
    elbows = own[:, :, SHOULDERS] + upper * direction(first, abduction)
    out[rows, :, ELBOWS] = elbows
    out[rows, :, WRISTS] = elbows + lower * direction(second, -0.5 * abduction)
    return out


def _raised(joints: Array) -> Flags:
    """Return who holds both arms up at most steps, bool [N]."""
    shoulders, elbows, wrists = joints[:, :, SHOULDERS], joints[:, :, ELBOWS], joints[:, :, WRISTS]
    reach = np.linalg.norm(elbows - shoulders, axis=-1) + np.linalg.norm(wrists - elbows, axis=-1)
    up: Flags = np.all(shoulders[..., 1] - wrists[..., 1] < _RAISED * reach, axis=-1)
    return np.greater(up.mean(1), _MOSTLY)
