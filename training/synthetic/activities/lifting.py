"""Picking things up, carrying them in both arms, and the same arm poses without a load.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.activities.gaits import clip_gait, curve_walk, slow_walk, walk_by_angles
from training.synthetic.activities.mechanics.contact import FLOOR, eased, keep_above_floor, put_foot, put_hand, wrist
from training.synthetic.activities.mechanics.events import event_labels, event_start
from training.synthetic.activities.standing import stance
from training.synthetic.activities.throwing import in_chest_frame
from training.synthetic.motion.motion import ROOT, Array, MotionClip, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    ARM_POSITIONS,
    TAG_INDEX,
    CapturedStyle,
    Held,
    Maker,
    Movement,
    Prop,
    Rng,
    Style,
    arms_at_rest,
    drift,
    let_go,
    look_around,
    set_arm,
    smoothstep,
    turn_chest,
    turn_head,
)

Bend = Callable[[Rng, Movement, Array], None]
"""(rng, movement, depth [T]): bend a standing body in place, from 0 upright to 1 with the hands near the floor."""


def bending_over(rng: Rng, movement: Movement, depth: Array) -> None:
    """Bend at the hips, with nearly straight legs."""
    poses = movement.poses
    angle = rng.uniform(1.5, 1.9) * depth
    poses[:, 1] -= rng.uniform(0.05, 0.2) * depth
    poses[:, 0] -= rng.uniform(0.1, 0.2) * depth
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -0.55 * angle))
    turn_chest(poses, 0.45 * angle)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([rng.normal(0, 0.04), 0.0, sign * 0.13]), (1.0, 0.1, 0.2))


def squatting(rng: Rng, movement: Movement, depth: Array) -> None:
    """Bend at the knees, with a straighter back."""
    poses = movement.poses
    level = rng.uniform(0.28, 0.42)
    poses[:, 1] += depth * (level - 0.98)
    poses[:, 0] -= 0.22 * depth
    pitch = rng.uniform(0.7, 1.1) * depth
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -0.55 * pitch))
    turn_chest(poses, 0.45 * pitch)
    width = rng.uniform(0.12, 0.24)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([rng.normal(0, 0.05), 0.0, sign * width]), (1.0, 0.2, 0.5))


def kneeling_down(rng: Rng, movement: Movement, depth: Array) -> None:
    """Kneel with one foot ahead. Held out."""
    poses = movement.poses
    stride = rng.uniform(0.35, 0.5)
    step = eased(depth, (0.0, 0.4), (0.0, 1.0))
    poses[:, 1] += depth * (0.46 - 0.98)
    turn_chest(poses, rng.uniform(0.6, 0.95) * depth)
    put_foot(poses, 1, np.stack([stride * step, 0.05 * np.sin(np.pi * step), 0 * step + 0.12], -1), (1.0, 0.3, 0.2))
    back = -0.45 * step
    put_foot(poses, 0, np.stack([back, 0.03 * step, 0 * step - 0.12], -1), (1.0, -0.5, 0.0))


def pick_up_with(bend: Bend) -> Maker:
    """Go down, take an object from the floor and rise with it; a few put it down instead."""

    def make(rng: Rng, times: Array) -> Movement:
        both = rng.random() < 0.4
        down, grasp, up = rng.uniform(0.5, 1.1), rng.uniform(0.1, 0.5), rng.uniform(0.5, 1.2)
        start = event_start(rng, times, down + grasp + up)
        taken, end = start + down + 0.6 * grasp, start + down + grasp + up
        depth = smoothstep(times, start, down) * (1 - smoothstep(times, end - up, up))
        movement = stance(rng, times, 0.13, 0.3)
        arms_at_rest(rng, movement, times)
        for side in (0, 1):
            let_go(movement, side, smoothstep(times, start - 0.3, 0.3))
        bend(rng, movement, depth)
        held: Held = "both" if both else "right"
        name = "box" if both else str(rng.choice(["ball", "cup", "bottle", "bag", "phone", "dumbbell"]))
        _reach_down(rng, movement, times, depth, (start, taken, end), both, name)
        turn_head(movement.poses, 0.3 * depth, 0.0)
        keep_above_floor(movement.poses)
        _add_object(movement, times, name, held, taken)
        _tags(movement, times, (start, taken, end), both)
        after = "carry" if both else "stand"
        movement.action = "pick_up"
        movement.labels = event_labels(times, "stand", "pick_up", after, start, end)
        return movement

    return make


def _reach_down(
    rng: Rng,
    movement: Movement,
    times: Array,
    depth: Array,
    instants: tuple[float, float, float],
    both: bool,
    name: str,
) -> None:
    poses = movement.poses
    start, taken, end = instants
    reach = smoothstep(times, start, taken - start)
    lift = smoothstep(times, taken, end - taken)
    ahead = rng.uniform(0.28, 0.45)
    height = FLOOR + (0.18 if both else {"ball": 0.13, "cup": 0.08, "bottle": 0.12, "bag": 0.3}.get(name, 0.05))
    wide = rng.uniform(0.16, 0.24) if both else rng.uniform(0.0, 0.2)
    for side, sign in ((0, -1.0), (1, 1.0)) if both else ((1, 1.0),):
        put_hand(poses, side, np.array([ahead, height, sign * wide]), (-0.6, -0.2, 1.0), reach * (1 - lift))
        if both:
            at, elbow = np.array([0.5, -0.5, -0.16]), np.array([-0.6, -0.7, 0.6])
        else:
            at, elbow = (np.array(value) for value in ARM_POSITIONS["carry_side" if name == "bag" else "carry_front"])
        set_arm(poses, side, at, elbow, lift)
    if not both:  # the other hand hangs or rests on the knee
        knee = np.array([0.45, -0.65, 0.05]) if rng.random() < 0.5 else np.array([0.2, -0.9, 0.2])
        set_arm(poses, 0, knee, np.array([-0.6, -0.2, 0.8]), depth)


def _add_object(movement: Movement, times: Array, name: str, held: Held, taken: float) -> None:
    """Leave the object where the hands take it until then, and hold it from then on."""
    at = int(np.clip(np.searchsorted(times, taken), 0, len(times) - 1))
    hand = wrist(movement.poses, 1)[at]
    if held == "both":
        hand = 0.5 * (hand + wrist(movement.poses, 0)[at])
    lying = np.broadcast_to(hand, (len(times), 3))
    has = (times >= taken).astype(float)
    if taken > times[0]:
        movement.props.append(Prop(name, "free", 1 - has, in_chest_frame(movement.poses, lying), thing=0))
    movement.props.append(Prop(name, held, has, thing=0))


def _tags(movement: Movement, times: Array, instants: tuple[float, float, float], both: bool) -> None:
    start, taken, end = instants
    for side in (0, 1) if both else (1,):
        movement.tags[:, TAG_INDEX["grab_l"] + side] = (times > taken - 0.3) & (times < taken + 0.4)
        name = "carry_l" if both else "hold_l"
        column = TAG_INDEX[name] + side
        movement.tags[:, column] = np.maximum(movement.tags[:, column], times >= taken + 0.4)
    movement.tags[:, TAG_INDEX["stand"]] = (times < start + 0.15) | (times > end - 0.15)


# ---- carrying -------------------------------------------------------------------------------------------------------
Load = Callable[[Rng, Movement, Array], str]
"""(rng, movement, times [T]): put the arms round a load in place and return its name."""


def before_the_chest(rng: Rng, movement: Movement, times: Array) -> str:
    """Hold a box on both forearms or between both hands."""
    low = rng.random() < 0.5
    wrist_at = np.array([rng.uniform(0.38, 0.6), rng.uniform(-0.62, -0.45) if low else rng.uniform(-0.4, -0.1), -0.14])
    jolt = np.stack([drift(rng, times, 0.015, 2.0, 0.5) for _ in range(3)], -1)
    for side in (0, 1):
        set_arm(movement.poses, side, wrist_at + rng.normal(0, 0.02, 3) + jolt, np.array([-0.5, -0.8, 0.6]))
    turn_chest(movement.poses, -rng.uniform(0.0, 0.2))
    return "box"


def on_the_shoulders(rng: Rng, movement: Movement, times: Array) -> str:
    """Hold a barbell or beam across the shoulders, one hand at each side."""
    wrist_at = np.array([rng.uniform(-0.02, 0.1), rng.uniform(0.02, 0.2), rng.uniform(0.12, 0.4)])
    for side in (0, 1):
        set_arm(movement.poses, side, wrist_at + rng.normal(0, 0.02, 3), np.array([-0.2, -1.0, 0.4]))
    turn_chest(movement.poses, rng.uniform(0.05, 0.3))
    return "barbell"


def low_before_the_thighs(rng: Rng, movement: Movement, times: Array) -> str:
    """Hold a heavy box at arm's length, the trunk leaning back. Held out."""
    wrist_at = np.array([rng.uniform(0.3, 0.42), -rng.uniform(0.78, 0.86), rng.uniform(-0.18, -0.08)])
    for side in (0, 1):
        set_arm(movement.poses, side, wrist_at + rng.normal(0, 0.02, 3), np.array([-1.0, 0.0, 0.5]))
    turn_chest(movement.poses, -rng.uniform(0.05, 0.3))
    return "box" if rng.random() < 0.7 else "barbell"


def overhead(rng: Rng, movement: Movement, times: Array) -> str:
    """Hold a box or barbell overhead with both arms."""
    wrist_at = np.array([rng.uniform(0.0, 0.2), rng.uniform(0.6, 0.93), rng.uniform(-0.2, 0.2)])
    for side in (0, 1):
        set_arm(movement.poses, side, wrist_at + rng.normal(0, 0.02, 3), np.array([0.3, -0.2, 1.0]))
    return "box" if rng.random() < 0.5 else "barbell"


Base = Callable[[Rng, Array], Movement]


def on_the_spot(rng: Rng, times: Array) -> Movement:
    movement = stance(rng, times, rng.uniform(0.1, 0.22), 0.6)
    look_around(rng, movement.poses, times)
    return movement


def _empty_handed(movement: Movement) -> Movement:
    movement.props = []
    for name in ("hold", "swing"):
        movement.tags[:, [TAG_INDEX[f"{name}_l"], TAG_INDEX[f"{name}_r"]]] = 0.0
    return movement


_LOADS: tuple[Load, ...] = (before_the_chest, before_the_chest, before_the_chest, on_the_shoulders, overhead)


def carry_with(bases: tuple[Base, ...], loads: tuple[Load, ...] = _LOADS) -> Maker:
    """Move as any of `bases`, with the arms round any of `loads`."""

    def make(rng: Rng, times: Array) -> Movement:
        movement = _empty_handed(bases[int(rng.integers(len(bases)))](rng, times))
        name = loads[int(rng.integers(len(loads)))](rng, movement, times)
        movement.props = [Prop(name, "both", np.ones_like(times))]
        movement.tags[:, [TAG_INDEX["carry_l"], TAG_INDEX["carry_r"]]] = 1.0
        movement.action = "carry"
        return movement

    return make


def captured_carry(clip: MotionClip) -> Maker:
    return carry_with((clip_gait(clip, "walk", (0.65, 1.1), (0.6, 1.1)),))


def empty_arms(base: Base) -> Maker:
    """Stand or walk with arms as if they held a load.

    Only the appearance of the hands distinguishes it from carrying.
    """

    def make(rng: Rng, times: Array) -> Movement:
        movement = _empty_handed(base(rng, times))
        _LOADS[int(rng.integers(len(_LOADS)))](rng, movement, times)
        return movement

    return make


STYLES: tuple[Style, ...] = (
    Style("pick_up", "bending", pick_up_with(bending_over), 1.5),
    Style("pick_up", "squatting", pick_up_with(squatting), 1.2),
    Style("pick_up", "kneeling", pick_up_with(kneeling_down), held_out=True),
    Style("carry", "standing", carry_with((on_the_spot,)), 1.2, source="stance"),
    Style("carry", "walking", carry_with((curve_walk, slow_walk)), 1.6, source="stride"),
    Style("carry", "low", carry_with((walk_by_angles,), (low_before_the_thighs,)), held_out=True, source="angles"),
    Style("stand", "empty_arms", empty_arms(on_the_spot), 0.7),
    Style("walk", "empty_arms", empty_arms(curve_walk), 0.6, source="stride"),
)
CAPTURED: tuple[CapturedStyle, ...] = (CapturedStyle("carry", "walk", captured_carry, 0.8),)
