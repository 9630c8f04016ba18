"""From limb poses to the 17 COCO keypoints in space, for people of many builds.

Proportions are fractions of stature from the usual anthropometric tables (Drillis and Contini), each varied per person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.motion import (
    ANKLES,
    CHEST,
    ELBOWS,
    KNEES,
    NECK,
    POSITION,
    ROOT,
    WRISTS,
    quaternion_multiply,
    rotate,
)

Array = NDArray[np.float64]

KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
NOSE, LEFT_EAR, RIGHT_EAR = 0, 3, 4
SHOULDERS, ELBOW_POINTS, WRIST_POINTS = slice(5, 7), slice(7, 9), slice(9, 11)
HIPS, KNEE_POINTS, ANKLE_POINTS = slice(11, 13), slice(13, 15), slice(15, 17)


@dataclass(frozen=True, slots=True)
class Builds:
    """Body measures of N people in metres, each [N]."""

    stature: Array
    thigh: Array
    shank: Array
    upper_arm: Array
    forearm: Array
    torso: Array
    shoulder: Array
    """Half the distance between the shoulders."""
    hip: Array
    """Half the distance between the hip joints as keypoint detectors mark them."""
    head: Array
    """Scale of the head's points."""

    @property
    def leg(self) -> Array:
        return self.thigh + self.shank

    @property
    def arm(self) -> Array:
        return self.upper_arm + self.forearm


def draw_builds(rng: np.random.Generator, count: int, *, held_out: bool = False) -> Builds:
    """Draw builds of adults and, one in eight, children.

    Held-out people have proportions further from the mean than most in training: limbs shorter or longer by 6 to 12 %.
    """
    child = rng.random(count) < 0.12
    stature = np.where(child, rng.uniform(1.0, 1.45, count), np.clip(rng.normal(1.70, 0.10, count), 1.45, 2.02))

    def share(mean: float, spread: float) -> Array:
        factor = 1 + spread * rng.standard_normal(count).clip(-2, 2)
        if held_out:
            factor = 1 + rng.choice([-1.0, 1.0], count) * rng.uniform(0.06, 0.12, count)
        return mean * stature * factor

    return Builds(
        stature=stature,
        thigh=share(0.245, 0.05),
        shank=share(0.246, 0.05),
        upper_arm=share(0.182, 0.06),
        forearm=share(0.148, 0.06),
        torso=share(0.290, 0.05),
        shoulder=share(0.115, 0.08),
        hip=share(0.062, 0.12),
        head=share(0.13, 0.06) * np.where(child, 1.15, 1.0),
    )


def joints(poses: Array, builds: Builds) -> tuple[Array, Array]:
    """Return the keypoints of limb poses [N, T, 39], and the people's facing.

    Keypoints [N, T, 17, 3] are in metres (y up, the ground at 0). Facing [N, T, 3] is the chest's forward direction,
    which is needed for self-occlusion.
    """
    leg, arm = builds.leg[:, None, None], builds.arm[:, None, None]
    root, chest = poses[..., ROOT], quaternion_multiply(poses[..., ROOT], poses[..., CHEST])
    head = quaternion_multiply(chest, poses[..., NECK])
    pelvis = poses[..., POSITION] * leg
    # The ankle joint is about 4 % of stature above the ground; poses have it at zero.
    pelvis = pelvis + np.stack([0 * builds.stature, 0.04 * builds.stature, 0 * builds.stature], -1)[:, None]
    out = np.empty((*poses.shape[:2], 17, 3))

    def along(length: Array, direction: tuple[float, float, float]) -> Array:
        return length[:, None, None] * np.array(direction)

    middle = pelvis + rotate(root, along(0.49 * builds.torso, (0, 1, 0)))
    neck = middle + rotate(chest, along(0.51 * builds.torso, (-0.05, 1, 0)))
    base = neck + rotate(chest, along(0.2 * builds.head, (0, 1, 0)))
    for index, offset in (
        (0, (0.52, 0.58, 0.0)),
        (1, (0.40, 0.78, -0.16)),
        (2, (0.40, 0.78, 0.16)),
        (3, (0.0, 0.68, -0.36)),
        (4, (0.0, 0.68, 0.36)),
    ):
        out[:, :, index] = base + rotate(head, along(builds.head, offset))
    for side, sign in ((0, -1.0), (1, 1.0)):
        shoulder = neck + rotate(chest, along(builds.shoulder, (0, 0, sign)))
        hip = pelvis + rotate(root, along(builds.hip, (0, 0, sign)))
        columns = slice(3 * side, 3 * side + 3)
        elbow, wrist = _two_bones(
            poses[..., WRISTS][..., columns] * arm,
            poses[..., ELBOWS][..., columns],
            builds.upper_arm[:, None, None],
            builds.forearm[:, None, None],
        )
        knee, ankle = _two_bones(
            poses[..., ANKLES][..., columns] * leg,
            poses[..., KNEES][..., columns],
            builds.thigh[:, None, None],
            builds.shank[:, None, None],
        )
        out[:, :, 5 + side] = shoulder
        out[:, :, 7 + side] = shoulder + rotate(chest, elbow)
        out[:, :, 9 + side] = shoulder + rotate(chest, wrist)
        out[:, :, 11 + side] = hip
        out[:, :, 13 + side] = hip + rotate(root, knee)
        out[:, :, 15 + side] = hip + rotate(root, ankle)
    return out, rotate(chest, np.array([1.0, 0.0, 0.0]))


def _two_bones(target: Array, pole: Array, upper: Array, lower: Array) -> tuple[Array, Array]:
    """Return middle and end of a limb [..., 3] whose end should be at `target`; out of reach, it is stretched towards
    it."""
    distance = np.linalg.norm(target, axis=-1, keepdims=True)
    direction = target / np.maximum(distance, 1e-9)
    distance = np.clip(distance, np.abs(upper - lower) * 1.02 + 0.02 * upper, (upper + lower) * 0.998)
    across = pole - (pole * direction).sum(-1, keepdims=True) * direction
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    reach = (upper**2 + distance**2 - lower**2) / (2 * distance)
    bend = np.sqrt(np.maximum(upper**2 - reach**2, 0.0))
    return reach * direction + bend * across, distance * direction
