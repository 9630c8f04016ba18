"""Falling: toppling, collapsing, slipping; then lying at that place.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.floor.lying import set_leg
from training.synthetic.activities.mechanics.contact import (
    HAND,
    PRONE,
    SUPINE,
    keep_above_floor,
    pitched,
    pose_path,
    put_foot,
    put_hand,
    rest_on_floor,
    standing_pose,
)
from training.synthetic.activities.mechanics.events import event_labels, event_start
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import (
    CHEST,
    POSITION,
    ROOT,
    Array,
    MotionClip,
    axis_rotation,
    blend,
    quaternion_multiply,
    rotate,
)
from training.synthetic.motion.movement import (
    TAG_INDEX,
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    set_arm,
    smoothstep,
    tags_of,
)

_STILL_FALLEN = 0.3
"""Seconds after reaching the ground that still count as the fall."""


def _label_fall(poses: Array, times: Array, start: float, end: float) -> Movement:
    down = (times > start + 0.7 * (end - start)).astype(float)
    movement = Movement(poses, tags_of(len(times), "stand", "lie"), "fall")
    movement.tags[:, TAG_INDEX["stand"]] = times < start
    movement.tags[:, TAG_INDEX["lie"]] = down
    movement.labels = event_labels(times, "stand", "fall", "lie", start, end + _STILL_FALLEN)
    return movement


def _sprawling_pose(rng: Rng, pitch: float) -> Array:
    """Return the limb pose [39] of a person who has fallen, face up or down by `pitch`, with random limbs."""
    key = pitched(np.zeros(1), 0.05, pitch, rng.uniform(-0.1, 0.3) * (-1 if pitch > 0 else 1))
    key[:, ROOT] = quaternion_multiply(key[:, ROOT], axis_rotation(1, rng.normal(0, 0.15, 1)))
    front = 1.0 if pitch > 0 else -1.0  # direction of the floor along the body's x
    for side in (0, 1):
        wrist = np.array([0.12 * front, rng.uniform(-0.8, 0.6), rng.uniform(0.3, 0.75)])
        set_arm(key, side, wrist, np.array([0.0, -0.4, 1.0]))
        bent = rng.uniform(0.0, 0.45)
        set_leg(key, side, np.array([0.03 * front, -0.97 + bent, rng.uniform(0.0, 0.3)]), (1.0, 0.2, 0.4))
    rest_on_floor(key)
    return key[0]


def _turn_about_feet(poses: Array, angle: Array, towards: float) -> None:
    """Turn a standing body rigidly about the feet by `angle` [T], in the direction `towards` (radians left of
    ahead)."""
    axis = rotate(axis_rotation(1, towards), np.array([0.0, 0.0, -1.0]))
    turn = np.concatenate([np.cos(angle / 2)[:, None], np.sin(angle / 2)[:, None] * axis], -1)
    poses[:, POSITION] = rotate(turn, poses[:, POSITION])
    poses[:, ROOT] = quaternion_multiply(turn, poses[:, ROOT])


def topple(rng: Rng, times: Array) -> Movement:
    """Topple like a tree, backwards, sideways or forwards, with the arms thrown out and the knees giving a little."""
    duration = rng.uniform(0.6, 1.1)
    start = event_start(rng, times, duration + _STILL_FALLEN)
    movement = stance(rng, times, rng.uniform(0.06, 0.18), 0.4)
    arms_at_rest(rng, movement, times)
    poses = movement.poses
    towards = rng.choice([np.pi, np.pi, 1.57, -1.57, 0.0]) + rng.normal(0, 0.3)
    share = np.clip((times - start) / duration, 0, 1)
    angle = np.pi / 2 * share**2.3
    poses[:, 1] -= rng.uniform(0.05, 0.3) * np.sin(np.pi * share) ** 2
    _turn_about_feet(poses, angle, towards)
    backwards = np.cos(towards)
    poses[:, CHEST] = quaternion_multiply(axis_rotation(2, 0.5 * backwards * np.sin(np.pi * share)), poses[:, CHEST])
    thrown = smoothstep(times, start + 0.1, 0.35 * duration)
    for side in (0, 1):
        wrist = np.array([0.35 + 0.35 * backwards, rng.uniform(-0.3, 0.5), rng.uniform(0.3, 0.7)])
        set_arm(poses, side, wrist, np.array([0.0, -0.6, 0.8]), thrown)
    face_up = backwards < 0.0
    lying = _sprawling_pose(rng, SUPINE if face_up else PRONE)
    lying[ROOT] = quaternion_multiply(axis_rotation(1, np.array(towards + np.pi * face_up)), lying[ROOT])
    _settle(poses, lying, smoothstep(times, start + 0.75 * duration, 0.5 * duration + 0.2))
    return _label_fall(poses, times, start, start + duration)


def _settle(poses: Array, lying: Array, weight: Array) -> None:
    """Settle trunk and limbs as in `lying` [39] at the body's place, above the floor, in place."""
    there = np.broadcast_to(lying, poses.shape).copy()
    there[:, POSITION] = poses[:, POSITION]
    poses[:] = blend(poses, there, weight)
    keep_above_floor(poses)
    rest_on_floor(poses, weight)


def collapse(rng: Rng, times: Array) -> Movement:
    """Give way at the knees, then fall to the front, the back or a side."""
    duration = rng.uniform(0.7, 1.2)
    start = event_start(rng, times, duration + _STILL_FALLEN)
    standing = stance(rng, times, 0.12, 0.3)
    arms_at_rest(rng, standing, times)
    kneeling = standing_pose()
    kneeling[:, POSITION] = (0.1, 0.44, rng.normal(0, 0.08))
    kneeling[:, ROOT] = axis_rotation(2, np.array([-rng.uniform(0.0, 0.4)]))
    kneeling[:, CHEST] = axis_rotation(2, np.array([-rng.uniform(0.2, 0.7)]))
    for side in (0, 1):
        set_leg(kneeling, side, np.array([-0.42, -0.48, 0.06]), (1.0, 0.0, 0.3))
    front = rng.random() < 0.6
    lying = _sprawling_pose(rng, PRONE if front else SUPINE)
    lying[POSITION] = (0.55 if front else -0.35, lying[1], rng.normal(0, 0.2))
    lying[ROOT] = quaternion_multiply(axis_rotation(1, np.array(rng.normal(0, 0.5))), lying[ROOT])
    last = kneeling.copy()
    if front:  # the hands go down first
        last[:, POSITION] = (0.25, 0.36, 0.0)
        last[:, ROOT] = axis_rotation(2, np.array([-1.0]))
        for side, sign in ((0, -1.0), (1, 1.0)):
            put_hand(last, side, np.array([0.95, HAND, sign * 0.25]), (-1.0, 0.2, 0.8))
            put_foot(last, side, np.array([-0.35, 0.0, sign * 0.15]), (0.6, -1.0, 0.1))
    else:  # down on the heels
        last[:, POSITION] = (-0.1, 0.14, 0.1)
        last[:, ROOT] = axis_rotation(2, np.array([0.2]))
        for side in (0, 1):
            set_leg(last, side, np.array([-0.05, -0.2, 0.16]), (1.0, 0.3, 0.5))
    instants = (start, start + 0.4 * duration, start + 0.65 * duration, start + duration)
    falling = pose_path(times, instants, (standing.poses[0], kneeling[0], last[0], lying))
    poses = blend(standing.poses, falling, smoothstep(times, start - 0.1, 0.3))
    keep_above_floor(poses)
    return _label_fall(poses, times, start, start + duration)


def slip(rng: Rng, times: Array) -> Movement:
    """Slip: the feet shoot away forwards or sideways, and the seat hits the ground before the back. Held out."""
    drop = rng.uniform(0.35, 0.5)
    duration = drop + rng.uniform(0.25, 0.4)
    start = event_start(rng, times, duration + _STILL_FALLEN)
    movement = stance(rng, times, 0.12, 0.4)
    arms_at_rest(rng, movement, times)
    poses = movement.poses
    falling = np.clip((times - start) / drop, 0, 1)
    over = smoothstep(times, start + 0.6 * drop, duration - 0.6 * drop)
    poses[:, 1] += (0.06 - poses[:, 1]) * falling**2
    lean = 0.7 * smoothstep(times, start, drop) + (np.pi / 2 - 0.7) * over
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, lean))
    poses[:, CHEST] = quaternion_multiply(axis_rotation(2, -0.5 * falling * (1 - 0.8 * over)), poses[:, CHEST])
    shot = smoothstep(times, start, 0.7 * drop)
    for side in (0, 1):
        ankle = np.array([0.55 - 0.2 * side * rng.random(), -0.75, rng.uniform(0.02, 0.25)])
        ankle = ankle * (1 - over[:, None]) + np.array([-0.03, -0.9, 0.15]) * over[:, None]
        flip = np.array([1.0, 1.0, 1.0 if side else -1.0])
        columns = slice(27 + 3 * side, 30 + 3 * side)
        poses[:, columns] += shot[:, None] * (ankle * flip - poses[:, columns])
        set_arm(poses, side, np.array([-0.25, rng.uniform(-0.5, 0.3), 0.75]), np.array([-0.6, -0.6, 0.4]), shot)
    poses[:, 0] += 0.35 * shot
    keep_above_floor(poses)
    return _label_fall(poses, times, start, start + duration)


def captured_backwards(clip: MotionClip) -> Maker:
    """Play the capture of a person getting up, reversed and faster."""

    def make(rng: Rng, times: Array) -> Movement:
        rate = rng.uniform(2.2, 3.6)
        duration = (clip.duration - 0.15) / rate
        start = event_start(rng, times, duration + _STILL_FALLEN)
        share = np.clip((times - start) / duration, 0, 1)
        poses = clip.at((clip.duration - 0.15) * (1 - share**1.4))
        keep_above_floor(poses)
        return _label_fall(poses, times, start, start + duration)

    return make


STYLES: tuple[Style, ...] = (
    Style("fall", "topple", topple, 2.0),
    Style("fall", "collapse", collapse, 1.5),
    Style("fall", "slip", slip, held_out=True),
)
CAPTURED: tuple[CapturedStyle, ...] = (
    CapturedStyle("fall", "getup_faceup", captured_backwards, 0.5),
    CapturedStyle("fall", "getup_facedown", captured_backwards, 0.5),
)
