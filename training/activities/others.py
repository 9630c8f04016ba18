"""Everything else: dancing, stooping, lying, exercise, rolling, crawling, and poses that no other style has.

Each style is a pure function (rng, times [T]) → `Movement`; owns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.activities.standing import stance
from training.motion import (
    ANKLES,
    CHEST,
    ELBOWS,
    NECK,
    POSITION,
    ROOT,
    WRISTS,
    Array,
    MotionClip,
    axis_rotation,
    blend,
    normalise,
    quaternion_multiply,
)
from training.movement import (
    TAG_INDEX,
    Maker,
    Movement,
    Rng,
    Style,
    drift,
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


def free_dance(rng: Rng, times: Array) -> Movement:
    """Every limb on its own curve to a common beat."""
    movement = stance(rng, times, rng.uniform(0.1, 0.25), 1.0)
    beat, poses = rng.uniform(0.8, 2.2), movement.poses

    def curve(size: float) -> Array:
        phase = 2 * np.pi * beat * times * rng.choice([0.25, 0.5, 0.5, 1.0]) + rng.uniform(0, 6.28)
        return size * (np.sin(phase) + 0.4 * np.sin(2 * phase + rng.uniform(0, 6.28))) + drift(rng, times, 0.3 * size)

    poses[:, 1] -= 0.04 + abs(curve(0.05))
    poses[:, 2] += curve(0.12)
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, curve(0.4)), poses[:, ROOT])
    turn_chest(poses, curve(0.2), curve(0.3), curve(0.2))
    for side in (0, 1):
        centre = np.array([0.35, rng.uniform(-0.6, 0.5), rng.uniform(-0.1, 0.5)])
        set_arm(poses, side, centre + np.stack([curve(0.3) for _ in range(3)], -1), np.array([-0.3, -0.6, 0.8]))
        lift = np.maximum(curve(0.12), 0)
        poses[:, ANKLES.start + 3 * side + 1] += lift
        poses[:, ANKLES.start + 3 * side + 2] += curve(0.06)
    movement.action, movement.tags = "other", tags_of(len(times))
    return movement


def stoop(rng: Rng, times: Array) -> Movement:
    """Bends over with nearly straight legs, to lift or to look, once or again and again."""
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


def lie(rng: Rng, times: Array) -> Movement:
    poses = upright(times)
    poses[:, 1] = 0.12
    turn = axis_rotation(2, rng.choice([-1.0, 1.0]) * (np.pi / 2 + rng.normal(0, 0.1)))
    poses[:, ROOT] = quaternion_multiply(turn, axis_rotation(1, rng.uniform(-1.5, 1.5)))
    for part in (ANKLES, WRISTS):
        poses[:, part] += rng.normal(0, 0.12, 6) + np.stack([drift(rng, times, 0.04) for _ in range(6)], -1)
    return Movement(poses, tags_of(len(times)), "other")


def exercise(rng: Rng, times: Array) -> Movement:
    """Arms raised and lowered in a rhythm, circles, side bends, lunges; no wave, no clap."""
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


def strange(rng: Rng, times: Array) -> Movement:
    """Random poses joined smoothly: whatever no other style does."""
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
    poses[:, POSITION] += 0.0
    return Movement(poses, tags_of(len(times)), "other")


STYLES: tuple[Style, ...] = (
    Style("other", "dance", free_dance, 2.0),
    Style("other", "stoop", stoop, 2.0),
    Style("other", "lie", lie, 0.7),
    Style("other", "exercise", exercise, 1.6),
    Style("other", "strange", strange, 1.2),
)


_OWN_ACTION = ("walk", "run", "jump", "kick", "punch", "spinkick")
_HELD_OUT = ("dance_b", "spin", "getup_faceup")


def captured(clips: Mapping[str, MotionClip]) -> tuple[Style, ...]:
    """Every clip that is none of the other actions."""
    return tuple(
        Style("other", name, clip_other(clip), 0.5, held_out=name in _HELD_OUT)
        for name, clip in clips.items()
        if name not in _OWN_ACTION
    )
