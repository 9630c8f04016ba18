"""Sitting down and standing up: chairs, the floor, squats.

Each style is a function (rng, times [T]) → `Movement`. It is defined by the progress of sitting down, from 0 (standing)
to 1 (seated), at each instant; standing up goes from 1 to 0 at its own pace.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.activities.floor.lying import set_leg
from training.synthetic.activities.mechanics.contact import (
    FLOOR,
    eased,
    keep_above_floor,
    pose_path,
    put_foot,
    put_hand,
    shoulder,
    standing_pose,
)
from training.synthetic.activities.mechanics.events import event_labels, event_start
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import (
    CHEST,
    KNEES,
    POSITION,
    ROOT,
    Array,
    MotionClip,
    axis_rotation,
    blend,
    quaternion_multiply,
)
from training.synthetic.motion.movement import (
    TAG_INDEX,
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    drift,
    look_around,
    place_arm,
    set_arm,
    smoothstep,
    tags_of,
    turn_chest,
)

Descent = Callable[[Rng, Array, Array], Movement]
"""(rng, times [T], progress [T]) → a movement that stands at progress 0 and sits at 1."""


def onto_a_chair(rng: Rng, times: Array, progress: Array) -> Movement:
    """Lean the trunk ahead while the hips go back and down over planted feet."""
    seat, depth = rng.uniform(0.40, 0.6), rng.uniform(0.3, 0.48)
    movement = stance(rng, times, rng.uniform(0.08, 0.18), 0.3)
    arms_at_rest(rng, movement, times, sitting=rng.random() < 0.5)
    poses = movement.poses
    lean = rng.uniform(0.5, 1.0)
    down = eased(progress, (0.12, 1.0), (0.0, 1.0))
    back = eased(progress, (0.0, 0.85), (0.0, 1.0))
    bow = np.sin(np.pi * np.clip(progress, 0, 1)) * lean + rng.uniform(-0.1, 0.3) * progress
    poses[:, 1] += down * (seat - poses[:, 1])
    poses[:, 0] -= depth * back
    feet = _feet(rng)
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -0.55 * bow + 0.12 * down))
    turn_chest(poses, 0.45 * bow)
    for side in (0, 1):
        put_foot(poses, side, feet[side], (1.0, 0.6, 0.15))
    helps = rng.choice(["none", "none", "thighs", "armrests", "ahead"])
    act = np.sin(np.pi * np.clip(progress, 0, 1))
    for side in (0, 1):
        if helps == "ahead":
            set_arm(poses, side, np.array([0.7, -0.45, 0.0]), np.array([-0.2, -1.0, 0.4]), act)
        elif helps != "none":
            wrist = np.array([0.4, -0.62, 0.0]) if helps == "thighs" else np.array([0.05, -0.7, 0.3])
            set_arm(poses, side, wrist, np.array([-0.8, 0.0, 0.5]), np.clip(1.4 * act, 0, 1))
    look_around(rng, poses, times)
    return movement


def _feet(rng: Rng) -> tuple[Array, Array]:
    width = rng.uniform(0.09, 0.2)
    return np.array([rng.normal(0, 0.04), 0.0, -width]), np.array([rng.normal(0, 0.04), 0.0, width])


def onto_the_floor(rng: Rng, times: Array, progress: Array) -> Movement:
    """Go down by a half-kneeling position and one hand on the floor, onto the seat, legs stretched or drawn up."""
    movement = stance(rng, times, 0.12, 0.2)
    arms_at_rest(rng, movement, times)
    half, low, seated = standing_pose(), standing_pose(), standing_pose()
    half[:, POSITION] = (-0.06, 0.5, 0.0)
    half[:, CHEST] = axis_rotation(2, np.array([-0.5]))
    put_foot(half, 0, np.array([0.3, 0.0, -0.14]), (1.0, 0.4, 0.2))
    set_leg(half, 1, np.array([-0.42, -0.5, 0.08]), (1.0, 0.0, 0.2))
    low[:, POSITION] = (-0.2, 0.26, 0.1)
    low[:, ROOT] = axis_rotation(2, np.array([-0.1]))
    low[:, CHEST] = axis_rotation(2, np.array([-0.5]))
    put_foot(low, 0, np.array([0.32, 0.0, -0.16]), (1.0, 0.8, 0.2))
    put_foot(low, 1, np.array([0.2, -0.02, 0.3]), (1.0, 0.4, 0.8))
    seated[:, POSITION] = (-0.3, 0.04, 0.12)
    seated[:, ROOT] = axis_rotation(2, np.array([0.2]))
    seated[:, CHEST] = axis_rotation(2, np.array([-rng.uniform(0.2, 0.5)]))
    reach = rng.uniform(0.45, 0.93)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(seated, side, np.array([-0.3 + reach, -0.02, 0.12 + sign * 0.12]), (0.3, 1.0, 0.25))
    for key, height in ((low, FLOOR + 0.06), (seated, FLOOR + 0.06)):
        put_hand(key, 1, np.array([-0.42, height, 0.45]), (-1.0, 0.3, 0.5))
    for key in (half, low, seated):
        set_arm(key, 0, np.array([0.42, -0.6, 0.0]), np.array([-0.5, -0.4, 0.6]))
    set_arm(half, 1, np.array([0.2, -0.85, 0.25]), np.array([-0.8, 0.0, 0.5]))
    keys = (movement.poses[0], half[0], low[0], seated[0])
    moved = pose_path(progress, (0.0, 0.45, 0.75, 1.0), keys)
    movement.poses = blend(movement.poses, moved, smoothstep(progress, 0.0, 0.1))
    turn_chest(movement.poses, drift(rng, times, 0.04))
    keep_above_floor(movement.poses)
    return movement


def by_a_squat(rng: Rng, times: Array, progress: Array) -> Movement:
    """Go down into a deep squat, then back onto the seat, the hands behind."""
    movement = stance(rng, times, rng.uniform(0.12, 0.2), 0.2)
    arms_at_rest(rng, movement, times)
    poses = movement.poses
    level = eased(progress, (0.0, 0.6, 1.0), (0.98, 0.28, 0.05))
    poses[:, 1] = np.minimum(poses[:, 1], level)
    poses[:, 0] -= eased(progress, (0.0, 0.6, 1.0), (0.0, 0.2, 0.48))
    pitch = eased(progress, (0.0, 0.5, 1.0), (0.0, 0.75, 0.1))
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -0.5 * pitch))
    turn_chest(poses, 0.5 * pitch + 0.25 * progress)
    for side, foot in enumerate(_feet(rng)):
        put_foot(poses, side, foot, (1.0, 0.8, 0.5))
    behind = smoothstep(progress, 0.45, 0.4)
    hugging = rng.random() < 0.5
    for side, sign in ((0, -1.0), (1, 1.0)):
        hand = shoulder(poses, side) + np.array([-0.2, 0.0, sign * 0.18])
        hand[:, 1] = FLOOR + 0.06
        set_arm(poses, side, np.array([0.6, -0.5, 0.0]), np.array([-0.3, -0.8, 0.5]), smoothstep(progress, 0.0, 0.4))
        put_hand(poses, side, hand, (-1.0, 0.2, 0.4), behind)
        if hugging:
            set_arm(
                poses, side, np.array([0.62, -0.45, -0.3]), np.array([0.0, -0.8, 0.8]), smoothstep(progress, 0.85, 0.15)
            )
    keep_above_floor(poses)
    return movement


def cross_legged(rng: Rng, times: Array, progress: Array) -> Movement:
    """Cross the feet and go straight down between the knees. Held out."""
    movement = stance(rng, times, 0.08, 0.2)
    poses = movement.poses
    feet = ((0.05, 0.0, 0.16), (0.12, 0.0, -0.16))  # already crossed
    step = smoothstep(progress, 0.0, 0.25)
    poses[:, 1] += eased(progress, (0.15, 1.0), (0.0, 0.06 - 0.98))
    poses[:, 0] -= 0.12 * progress
    turn_chest(poses, eased(progress, (0.0, 0.6, 1.0), (0.0, 0.7, 0.15)))
    for side, sign in ((0, -1.0), (1, 1.0)):
        start = np.array([0.0, 0.0, sign * 0.08])
        foot = start + step[:, None] * (np.array(feet[side]) - start)
        put_foot(poses, side, foot, (0.8, 0.5, 1.0))
        set_arm(poses, side, np.array([0.55, -0.5, 0.15]), np.array([-0.4, -0.6, 0.8]), np.sin(np.pi * progress))
    poses[:, KNEES] += progress[:, None] * (np.array([0.6, 0.5, -1.0, 0.6, 0.5, 1.0]) - poses[:, KNEES])
    for side in (0, 1):
        place_arm(rng, movement, side, "lap", times, progress)
    keep_above_floor(poses)
    return movement


def _transition(descent: Descent, action: str, seconds: tuple[float, float]) -> Maker:
    rises = action == "stand_up"

    def make(rng: Rng, times: Array) -> Movement:
        duration = rng.uniform(*seconds) * (0.85 if rises else 1.0)
        start = event_start(rng, times, duration)
        share = np.clip((times - start) / duration, 0.0, 1.0)
        movement = descent(rng, times, 1 - share if rises else share)
        movement.action = action
        return _label_transition(movement, times, start, start + duration, rises)

    return make


def _label_transition(
    movement: Movement, times: Array, start: float, end: float, rises: bool, low: str = "sit"
) -> Movement:
    before, after = (low, "stand") if rises else ("stand", low)
    movement.labels = event_labels(times, before, movement.action, after, start, end)
    tags = movement.tags
    for name in ("stand", "sit", "lie", "crouch"):
        tags[:, TAG_INDEX[name]] = 0.0
    tags[:, TAG_INDEX[before]] = times < start + 0.2 * (end - start)
    tags[:, TAG_INDEX[after]] = times > end - 0.15 * (end - start)
    tags[:, TAG_INDEX["crouch"]] = (times > start + 0.35 * (end - start)) & (times < end - 0.35 * (end - start))
    return movement


def captured_rise(clip: MotionClip) -> Maker:
    """Rise from lying to the feet, as captured, then stand."""

    def make(rng: Rng, times: Array) -> Movement:
        rate = rng.uniform(0.75, 1.5)
        duration = (clip.duration - 0.1) / rate + 0.6
        start = event_start(rng, times, duration)
        poses = clip.at((times - start) * rate + 0.1)
        standing = stance(rng, times, 0.12, 0.2)
        standing.poses[:, POSITION] += clip.poses[-1, POSITION] * np.array([1.0, 0.0, 1.0])
        poses = blend(poses, standing.poses, smoothstep(times, start + duration - 0.7, 0.7))
        keep_above_floor(poses)
        return _label_transition(
            Movement(poses, tags_of(len(times)), "stand_up"), times, start, start + duration, rises=True, low="lie"
        )

    return make


_DESCENTS: tuple[tuple[str, Descent, tuple[float, float], float, bool], ...] = (
    ("chair", onto_a_chair, (0.8, 2.0), 2.5, False),
    ("floor", onto_the_floor, (1.4, 3.0), 1.0, False),
    ("squat", by_a_squat, (1.2, 2.4), 0.8, False),
    ("cross_legged", cross_legged, (1.2, 2.2), 1.0, True),
)
STYLES: tuple[Style, ...] = tuple(
    Style(action, name, _transition(descent, action, seconds), share, held_out)
    for action in ("sit_down", "stand_up")
    for name, descent, seconds, share, held_out in _DESCENTS
)
CAPTURED: tuple[CapturedStyle, ...] = (
    CapturedStyle("stand_up", "getup_faceup", captured_rise, 0.7),
    CapturedStyle("stand_up", "getup_facedown", captured_rise, 0.7),
)
