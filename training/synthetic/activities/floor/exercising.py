"""Push-ups and squats.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import (
    ARM,
    FLOOR,
    HAND,
    SHOULDER,
    TORSO,
    keep_above_floor,
    pitched,
    put_foot,
    put_hand,
)
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import ROOT, Array, axis_rotation, blend, quaternion_multiply
from training.synthetic.motion.movement import (
    TAG_INDEX,
    Maker,
    Movement,
    Prop,
    Rng,
    Style,
    drift,
    place_arm,
    set_arm,
    tags_of,
    turn_chest,
    turn_head,
)


def repeats(rng: Rng, times: Array, rate: tuple[float, float]) -> Array:
    """Return the depth [T], 0 to 1, of repeated movements down and up, sometimes with a pause at the top."""
    beat = rng.uniform(*rate)
    phase = beat * times + drift(rng, times, 0.06, 6.0, 2.0) + rng.random()
    pause = rng.choice([0.0, 0.0, 0.25, 0.4])
    cycle = np.clip((phase % 1.0 - pause) / (1 - pause), 0, 1)
    return (0.5 - 0.5 * np.cos(2 * np.pi * cycle)) ** rng.uniform(0.7, 1.2)


def _push_up(rng: Rng, times: Array, down: Array, foot: Array, pivot_to_hip: float, hand_height: float) -> Movement:
    """Keep the body straight from `foot` [3] over the pelvis, `pivot_to_hip` away, to the shoulders, which sink by
    `down` [T] towards hands at `hand_height`."""
    straight = 0.95 * ARM
    bent = rng.uniform(0.28, 0.5) * ARM
    over = rng.uniform(0.0, 0.12)  # shoulders ahead of the hands
    height = hand_height + straight + down * (bent - straight)
    length = pivot_to_hip + 0.98 * TORSO
    angle = np.arcsin(np.clip((height - foot[1]) / length, -0.2, 0.9))  # of the body's line above the horizontal
    sag = rng.normal(0.0, 0.05)
    poses = pitched(times, foot[1] + pivot_to_hip * np.sin(angle), np.pi / 2 - angle + sag, -1.6 * sag)
    poses[:, 0] = foot[0] + pivot_to_hip * np.cos(angle)
    turn_head(poses, rng.uniform(-0.6, 0.1) + drift(rng, times, 0.05), 0.0)
    hands_at = foot[0] + length * float(np.cos(angle).max()) - over
    width = SHOULDER * rng.uniform(0.9, 1.7)
    flare = rng.uniform(0.2, 1.2)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_hand(poses, side, np.array([hands_at, hand_height, sign * width]), (-1.0, 0.3, flare))
    return Movement(poses, tags_of(len(times)), "push_up")


def on_the_toes(rng: Rng, times: Array) -> Movement:
    down = repeats(rng, times, (0.3, 1.1))
    movement = _push_up(rng, times, down, np.array([0.0, 0.05, 0.0]), 0.985, HAND)
    apart = rng.uniform(0.03, 0.25)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(movement.poses, side, np.array([0.0, 0.05, sign * apart]), (0.1, -1.0, 0.1))
    return movement


def on_the_knees(rng: Rng, times: Array) -> Movement:
    """Do push-ups on the knees, between two poses: arms stretched and chest down. The feet are on the floor or
    raised."""
    shin, width = rng.choice([0.0, 0.7, 1.2]), rng.uniform(0.25, 0.4)
    keys: list[Array] = []
    for height, pitch in ((0.26, 1.08), (rng.uniform(0.08, 0.16), rng.uniform(1.42, 1.6))):
        key = pitched(np.zeros(1), height, pitch)
        key[:, 0] = 0.45
        for side, sign in ((0, -1.0), (1, 1.0)):
            foot = np.array([-0.49 * np.cos(shin), FLOOR + 0.06 + 0.49 * np.sin(shin), sign * 0.12])
            put_foot(key, side, foot, (0.6, -1.0, 0.0))
            put_hand(key, side, np.array([0.95, HAND, sign * width]), (-1.0, 0.3, 0.8))
        keys.append(key)
    stretched, bent = (np.repeat(key, len(times), 0) for key in keys)
    poses = blend(stretched, bent, repeats(rng, times, (0.3, 0.9)))
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_hand(poses, side, np.array([0.95, HAND, sign * width]), (-1.0, 0.3, 0.8))
    turn_head(poses, rng.uniform(-0.6, 0.1) + drift(rng, times, 0.05), 0.0)
    keep_above_floor(poses)
    return Movement(poses, tags_of(len(times)), "push_up")


def raised_push_ups(rng: Rng, times: Array) -> Movement:
    """Do push-ups with the hands on a bench or wall, driven by the elbow's angle. Held out."""
    raised, over = rng.uniform(0.2, 0.6), rng.uniform(0.0, 0.2)
    elbow = rng.uniform(2.8, 3.05) - rng.uniform(0.9, 1.7) * repeats(rng, times, (0.3, 0.9))
    reach = 0.995 * ARM * np.sin(elbow / 2)  # shoulder to wrist, for two bones of equal length
    length = 0.985 + 0.98 * TORSO
    lean = np.arcsin(np.clip((raised + reach - 0.05) / length, -0.2, 0.98))
    poses = pitched(times, 0.05 + 0.985 * np.sin(lean), np.pi / 2 - lean)
    poses[:, 0] = 0.985 * np.cos(lean)
    width = SHOULDER * rng.uniform(0.9, 1.6)
    ahead = float((length * np.cos(lean)).mean()) - over
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([0.0, 0.05, sign * 0.1]), (0.1, -1.0, 0.1))
        put_hand(poses, side, np.array([ahead, raised, sign * width]), (-1.0, 0.0, rng.uniform(0.3, 1.2)))
    turn_head(poses, rng.uniform(-0.4, 0.1) + drift(rng, times, 0.05), 0.0)
    return Movement(poses, tags_of(len(times)), "push_up")


# ---- squats ---------------------------------------------------------------------------------------------------------
def free_squats(rng: Rng, times: Array) -> Movement:
    """Squat on planted feet, hips back and down, the trunk leaning for balance."""
    down = repeats(rng, times, (0.25, 0.8))
    movement = stance(rng, times, rng.uniform(0.14, 0.26), 0.1)
    poses = movement.poses
    depth = rng.uniform(0.35, 0.68)
    poses[:, 1] = 0.97 - depth * down
    pitch = rng.uniform(0.7, 1.1) * down * depth / 0.6
    poses[:, 0] -= rng.uniform(0.22, 0.34) * depth * down / 0.6
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -0.6 * pitch))
    turn_chest(poses, 0.4 * pitch)
    turn_head(poses, -0.7 * pitch, 0.0)
    width, out = rng.uniform(0.14, 0.3), rng.uniform(0.1, 0.7)
    kind = rng.choice(["ahead", "rising", "head", "clasped", "hips"])
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([0.0, 0.0, sign * width]), (1.0, 0.2, out))
        if kind == "ahead":
            place_arm(rng, movement, side, "front", times)
        elif kind == "rising":
            angle = 0.2 + 1.4 * down
            way = np.stack([np.sin(angle), -np.cos(angle), 0 * angle + 0.05], -1)
            set_arm(poses, side, 0.93 * way, np.array([-0.3, -0.8, 0.5]))
        else:
            place_arm(rng, movement, side, {"head": "head", "clasped": "praying", "hips": "hip"}[str(kind)], times)
    return _tag_squat(movement)


def _tag_squat(movement: Movement) -> Movement:
    level = movement.poses[:, 1]
    hold = movement.tags[:, [TAG_INDEX["hold_l"], TAG_INDEX["hold_r"]]]
    movement.action, movement.tags = "squat", tags_of(len(level))
    movement.tags[:, [TAG_INDEX["hold_l"], TAG_INDEX["hold_r"]]] = hold
    movement.tags[:, TAG_INDEX["crouch"]] = level < 0.8
    movement.tags[:, TAG_INDEX["stand"]] = level >= 0.9
    return movement


def barbell_squats(rng: Rng, times: Array) -> Movement:
    """Squat with a barbell across the shoulders or in front, between two poses: upright and at the bottom."""
    front = rng.random() < 0.25
    wrist = np.array([0.28, 0.0, -0.02]) if front else np.array([-0.02, 0.05, rng.uniform(0.15, 0.45)])
    elbow = np.array([1.0, 0.1, 0.3]) if front else np.array([-0.4, -1.0, 0.3])
    feet, out = rng.uniform(0.15, 0.3), rng.uniform(0.2, 0.8)
    pitch, bottom = rng.uniform(0.45, 0.75), rng.uniform(0.34, 0.6)
    keys: list[Array] = []
    for height, lean, back in ((0.965, 0.06, 0.0), (bottom, pitch, rng.uniform(0.2, 0.3))):
        key = pitched(np.zeros(1), height, 0.6 * lean, 0.4 * lean)
        key[:, 0] = -back
        for side, sign in ((0, -1.0), (1, 1.0)):
            put_foot(key, side, np.array([0.0, 0.0, sign * feet]), (1.0, 0.2, out))
            set_arm(key, side, wrist, elbow)
        keys.append(key)
    up, low = (np.repeat(key, len(times), 0) for key in keys)
    movement = Movement(blend(up, low, repeats(rng, times, (0.2, 0.6))), tags_of(len(times), "hold"), "squat")
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(movement.poses, side, np.array([0.0, 0.0, sign * feet]), (1.0, 0.2, out))
    movement.props.append(Prop("barbell", "both", np.ones_like(times)))
    return _tag_squat(movement)


def by_joint_angles(legs_apart: tuple[float, float]) -> Maker:
    """Squat by the angles of knee and hip, legs wide or one ahead. Held out."""

    def make(rng: Rng, times: Array) -> Movement:
        down = repeats(rng, times, (0.25, 0.9))
        bend = rng.uniform(1.2, 2.1) * down  # of the knee
        movement = stance(rng, times, 0.2, 0.05)
        poses = movement.poses
        length = 0.5 * np.sqrt(2 + 2 * np.cos(bend))  # hip to ankle of a leg with equal bones
        apart = rng.uniform(*legs_apart)
        ahead = rng.choice([0.0, 0.45])
        poses[:, 1] = np.sqrt(np.maximum(length**2 - 0.5 * apart**2 - 0.25 * ahead**2, 0.03))
        poses[:, 0] = -0.12 * down
        for side, sign in ((0, -1.0), (1, 1.0)):
            foot = np.array([0.5 * ahead * sign, 0.0, sign * (apart if ahead == 0 else 0.12)])
            put_foot(poses, side, foot, (1.0, 0.2, 0.8 if ahead == 0 else 0.1))
        turn_chest(poses, rng.uniform(0.0, 0.5) * down)
        for side in (0, 1):
            place_arm(rng, movement, side, str(rng.choice(["hip", "front", "folded", "head"])), times)
        movement.action, movement.tags = "squat", tags_of(len(times))
        movement.tags[:, TAG_INDEX["crouch"]] = bend > 1.0
        movement.tags[:, TAG_INDEX["stand"]] = bend < 0.4
        return movement

    return make


STYLES: tuple[Style, ...] = (
    Style("push_up", "toes", on_the_toes, 2.0),
    Style("push_up", "knees", on_the_knees, 0.8),
    Style("push_up", "raised", raised_push_ups, held_out=True),
    Style("squat", "free", free_squats, 1.5),
    Style("squat", "barbell", barbell_squats, 1.0),
    Style("squat", "wide", by_joint_angles((0.3, 0.42)), held_out=True),
)
