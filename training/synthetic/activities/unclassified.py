"""Other movements: stooping, gymnastics, rolling, somersaults, spinning, and random poses.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import keep_above_floor
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import (
    ANKLES,
    CHEST,
    ELBOWS,
    NECK,
    ROOT,
    WRISTS,
    Array,
    MotionClip,
    axis_rotation,
    blend,
    normalise,
    quaternion_multiply,
)
from training.synthetic.motion.movement import (
    TAG_INDEX,
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    set_arm,
    stand_on,
    steps,
    tags_of,
    turn_chest,
    upright,
)


def clip_other(clip: MotionClip, rates: tuple[float, float] = (0.6, 1.2)) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        rate = rng.uniform(*rates)
        start = rng.uniform(0, clip.duration) if clip.loops else rng.uniform(-1.0, 0.3 * clip.duration)
        return Movement(clip.at((times - times[0]) * rate + start), tags_of(len(times)), "other")

    return make


def stoop(rng: Rng, times: Array) -> Movement:
    """Bend over with nearly straight legs, to lift or look, once or repeatedly."""
    movement = stance(rng, times, rng.uniform(0.1, 0.22), 0.4)
    if rng.random() < 0.5:
        down = np.clip(steps(rng, times, 0.4, (0.6, 3.0), (0.6, 1.2)) + 0.9, 0, 1)
    else:
        down = 0.5 - 0.5 * np.cos(2 * np.pi * times * rng.uniform(0.2, 0.5) + rng.uniform(0, 6.28))
    angle = rng.uniform(0.8, 1.9) * down
    poses = movement.poses
    poses[:, 1] -= rng.uniform(0.02, 0.2) * down
    poses[:, 0] -= 0.15 * down
    feet = np.zeros((len(times), 2, 3))
    feet[:, 0, 2], feet[:, 1, 2] = -0.12, 0.12
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -0.55 * angle))
    stand_on(poses, feet)
    turn_chest(poses, 0.45 * angle)
    for side in (0, 1):
        wrist = np.stack([0.15 + 0.7 * np.sin(angle), -0.9 * np.cos(0.5 * angle), 0 * angle], -1)
        set_arm(poses, side, wrist, np.array([-0.6, -0.3, 0.6]))
    movement.action, movement.tags[:, TAG_INDEX["stand"]] = "other", 1 - down
    return movement


def exercise(rng: Rng, times: Array) -> Movement:
    """Raise and lower the arms in rhythm, circle them, bend sideways or lunge, without waving or clapping."""
    movement = stance(rng, times, rng.uniform(0.1, 0.3), 0.2)
    phase = 2 * np.pi * times * rng.uniform(0.3, 1.1) + rng.uniform(0, 6.28)
    rise = 0.5 - 0.5 * np.cos(phase)
    kind = rng.choice(["front", "side", "circle", "bend", "lunge", "press"])
    for side in (0, 1):
        angle = rise * rng.uniform(1.3, 2.9)
        if kind in ("front", "lunge"):
            wrist = np.stack([0.95 * np.sin(angle), -0.95 * np.cos(angle), 0.1 + 0 * angle], -1)
        elif kind in ("side", "bend"):
            wrist = np.stack([0.1 + 0 * angle, -0.95 * np.cos(angle), 0.95 * np.sin(angle)], -1)
        elif kind == "circle":
            turn = phase + np.pi * side * rng.integers(2)
            wrist = np.stack([0.9 * np.sin(turn), -0.9 * np.cos(turn), 0.25 + 0 * turn], -1)
        else:
            wrist = np.stack([0.25 + 0 * rise, 0.1 + 0.8 * rise, 0.2 - 0.05 * rise], -1)
        set_arm(movement.poses, side, wrist, np.array([-0.5, -0.7, 0.5]))
    if kind == "bend":
        turn_chest(movement.poses, 0.0, 0.0, 0.5 * np.sin(phase / 2))
    if kind == "lunge":
        front = int(rng.integers(2))
        movement.poses[:, 1] -= 0.35 * rise
        feet = np.zeros((len(times), 2, 3))
        feet[:, front, 0], feet[:, 1 - front, 0] = 0.5 * rise, -0.5 * rise
        feet[:, 0, 2], feet[:, 1, 2] = -0.12, 0.12
        stand_on(movement.poses, feet)
    movement.action, movement.tags = "other", tags_of(len(times))
    return movement


def random_poses(rng: Rng, times: Array) -> Movement:
    """Join random poses smoothly, beyond all other styles."""
    count = 5
    keys = upright(np.zeros(count))
    scale = rng.uniform(0.2, 0.8)
    for part, size in ((WRISTS, 0.9), (ELBOWS, 0.6), (ANKLES, 0.35)):
        keys[:, part] += rng.normal(0, size * scale, (count, 6))
    keys[:, ROOT] += rng.normal(0, 0.5 * scale, (count, 4))
    keys[:, CHEST] += rng.normal(0, 0.25 * scale, (count, 4))
    keys[:, NECK] += rng.normal(0, 0.2 * scale, (count, 4))
    keys[:, 1] -= abs(rng.normal(0, 0.4 * scale, count))
    at = np.linspace(times[0] - 0.1, times[-1] + 0.1, count)
    index = np.clip(np.searchsorted(at, times) - 1, 0, count - 2)
    x = (times - at[index]) / (at[index + 1] - at[index])
    poses = blend(normalise(keys)[index], keys[index + 1], x * x * (3 - 2 * x))
    keep_above_floor(poses)
    return Movement(poses, tags_of(len(times)), "other")


STYLES: tuple[Style, ...] = (
    Style("other", "stoop", stoop, 2.0),
    Style("other", "exercise", exercise, 1.6),
    Style("other", "strange", random_poses, 1.2),
)
CAPTURED: tuple[CapturedStyle, ...] = (
    CapturedStyle("other", "roll", clip_other, 0.5),
    CapturedStyle("other", "backflip", clip_other, 0.5),
    CapturedStyle("other", "spin", clip_other, held_out=True),
)
