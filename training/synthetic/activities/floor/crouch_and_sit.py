"""Crouching and sitting: on the feet, kneeling, going down; on chairs, stools and the floor.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.activities.mechanics.contact import keep_above_floor
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import (
    ANKLES,
    KNEES,
    ROOT,
    Array,
    MotionClip,
    axis_rotation,
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
    drift,
    look_around,
    place_arm,
    set_arm,
    smoothstep,
    stand_on,
    steps,
    tags_of,
    turn_chest,
    turn_head,
    upright,
)


def _low(rng: Rng, times: Array, level: Array, pitch: Array, width: float, knees_out: float) -> Movement:
    """Return a body with feet on the ground, the pelvis at `level` [T] leg lengths, and the chest pitched by `pitch`
    [T]."""
    movement = stance(rng, times, width, 0.3)
    movement.poses[:, 1] = level + drift(rng, times, 0.012)
    movement.poses[:, 0] -= 0.28 * (1 - level)
    root_pitch = 0.5 * pitch
    movement.poses[:, ROOT] = quaternion_multiply(movement.poses[:, ROOT], axis_rotation(2, -root_pitch))
    feet = np.zeros((len(times), 2, 3))
    feet[:, 0, 2], feet[:, 1, 2] = -width, width
    feet[:, :, 0] = rng.normal(0, 0.06, 2)
    stand_on(movement.poses, feet)
    movement.poses[:, KNEES] = (1.0, 0.2, -knees_out, 1.0, 0.2, knees_out)
    turn_chest(movement.poses, 0.5 * pitch)
    turn_head(movement.poses, -0.6 * pitch + rng.normal(0, 0.2), steps(rng, times, 0.5, (0.6, 3.0), (0.3, 0.7)))
    movement.action = "crouch"
    movement.tags = tags_of(len(times), "crouch")
    return movement


def _low_arms(rng: Rng, movement: Movement, times: Array) -> None:
    names = ["lap", "table", "hang_loose", "hang", "front", "folded", "chin", "phone_front", "clasped"]
    name = names[rng.integers(len(names))]
    for side in (0, 1):
        other = names[rng.integers(len(names))] if rng.random() < 0.4 else name
        place_arm(rng, movement, side, other, times)
    if rng.random() < 0.4:  # works at something on the ground
        for side in (0, 1):
            path = np.array([0.55, -0.75, -0.1]) + np.stack([drift(rng, times, 0.12, 3.0, 0.7) for _ in range(3)], -1)
            set_arm(movement.poses, side, path, np.array([-0.3, -0.6, 0.7]))


def crouch(rng: Rng, times: Array) -> Movement:
    level = np.full_like(times, rng.uniform(0.25, 0.62)) + steps(rng, times, 0.05, (1, 4), (0.4, 1.0))
    pitch = np.full_like(times, rng.uniform(0.15, 0.95)) + drift(rng, times, 0.08)
    movement = _low(rng, times, level, pitch, rng.uniform(0.1, 0.25), rng.uniform(0.1, 0.8))
    _low_arms(rng, movement, times)
    return movement


def kneel(rng: Rng, times: Array) -> Movement:
    """Kneel on one knee or both."""
    level = np.full_like(times, rng.uniform(0.5, 0.56))
    pitch = np.full_like(times, rng.uniform(0.0, 0.7))
    movement = _low(rng, times, level, pitch, 0.1, 0.15)
    both, side = rng.random() < 0.3, int(rng.integers(2))
    for which in (0, 1) if both else (side,):
        columns = slice(ANKLES.start + 3 * which, ANKLES.start + 3 * which + 3)
        movement.poses[:, columns] = (-0.45, -0.48, -0.1 if which == 0 else 0.1)
    _low_arms(rng, movement, times)
    return movement


def crouch_and_rise(rng: Rng, times: Array) -> Movement:
    """Go down to tie a shoe or look, with raised heels, reaching between the knees."""
    start = rng.uniform(times[0] - 2.0, max(times[0], times[-1] - 1.0))
    down = smoothstep(times, start, rng.uniform(0.5, 1.0))
    level = 0.98 - rng.uniform(0.5, 0.68) * down
    movement = _low(rng, times, level, 1.1 * down, 0.12, rng.uniform(0.3, 0.9))
    for side in (0, 1):
        set_arm(movement.poses, side, np.array([0.5, -0.85, -0.15]), np.array([-0.5, -0.3, 0.8]), down)
    low = (level < 0.8).astype(float)
    movement.tags[:, TAG_INDEX["crouch"]] = low
    movement.tags[:, TAG_INDEX["stand"]] = 1 - low
    return movement


def _seat(rng: Rng, times: Array, height: float, pitch: float) -> Movement:
    poses = upright(times)
    poses[:, 1] = height
    poses[:, ROOT] = quaternion_multiply(axis_rotation(0, drift(rng, times, 0.02)), axis_rotation(2, 0.15))
    turn_chest(
        poses,
        pitch + 0.15 + drift(rng, times, 0.06) + steps(rng, times, 0.1, (2, 6), (0.5, 1.2)),
        drift(rng, times, 0.15),
    )
    look_around(rng, poses, times)
    return Movement(poses, tags_of(len(times), "sit"), "sit")


def sit_on_chair(rng: Rng, times: Array) -> Movement:
    movement = _seat(rng, times, rng.uniform(0.42, 0.62), rng.uniform(-0.2, 0.5))
    for side, sign in ((0, -1.0), (1, 1.0)):
        foot = np.array([rng.uniform(0.3, 0.72), -movement.poses[0, 1], sign * rng.uniform(-0.02, 0.15)])
        if rng.random() < 0.15:  # crossed over the other knee
            foot = np.array([0.62, -0.3, -sign * 0.15])
        fidget = np.stack([drift(rng, times, 0.02, 3.0, 0.6) for _ in range(3)], -1)
        columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
        movement.poses[:, columns] = rotate(axis_rotation(2, -0.15), foot) + fidget
    movement.poses[:, KNEES] = (0.5, 1.0, -0.2, 0.5, 1.0, 0.2)
    arms_at_rest(rng, movement, times, sitting=True)
    movement.hide_legs = rng.random() < 0.3
    return movement


def sit_cross_legged(rng: Rng, times: Array) -> Movement:
    movement = _seat(rng, times, rng.uniform(0.08, 0.14), rng.uniform(0.0, 0.4))
    for side, sign in ((0, -1.0), (1, 1.0)):
        columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
        movement.poses[:, columns] = (rng.uniform(0.3, 0.42), -0.06, -sign * rng.uniform(0.02, 0.16))
    movement.poses[:, KNEES] = (0.7, 0.5, -1.0, 0.7, 0.5, 1.0)
    arms_at_rest(rng, movement, times, sitting=True)
    return movement


def sit_on_floor(rng: Rng, times: Array) -> Movement:
    """Sit on the ground with the legs stretched or the knees drawn up."""
    movement = _seat(rng, times, 0.1, rng.uniform(-0.3, 0.4))
    reach = rng.uniform(0.55, 0.97)
    for side, sign in ((0, -1.0), (1, 1.0)):
        columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
        movement.poses[:, columns] = (reach, -0.05, sign * 0.08)
    movement.poses[:, KNEES] = (0.2, 1.0, -0.15, 0.2, 1.0, 0.15)
    arms_at_rest(rng, movement, times, sitting=True)
    return movement


def perch(rng: Rng, times: Array) -> Movement:
    """Half sit on a high stool, a wall or a table's edge."""
    movement = sit_on_chair(rng, times)
    movement.poses[:, 1] = rng.uniform(0.66, 0.8)
    for side, sign in ((0, -1.0), (1, 1.0)):
        columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
        movement.poses[:, columns] = (rng.uniform(0.3, 0.5), -rng.uniform(0.6, 0.74), sign * 0.06)
    movement.poses[:, KNEES] = (1.0, 0.6, -0.2, 1.0, 0.6, 0.2)
    return movement


def still_of(action: str, span: tuple[float, float]) -> Callable[[MotionClip], Maker]:
    """Stay in a pose that the capture of a person who gets up passes within the seconds `span`."""

    def of(clip: MotionClip) -> Maker:
        def make(rng: Rng, times: Array) -> Movement:
            middle, size = 0.5 * (span[0] + span[1]), 0.5 * (span[1] - span[0])
            poses = clip.at(np.clip(middle + drift(rng, times, 0.6 * size, 8.0, 2.5), *span))
            look_around(rng, poses, times)
            keep_above_floor(poses)
            return Movement(poses, tags_of(len(times), action), action)

        return make

    return of


STYLES: tuple[Style, ...] = (
    Style("crouch", "still", crouch, 2.0, source="low"),
    Style("crouch", "kneeling", kneel, 1.0, source="low"),
    Style("crouch", "and_rise", crouch_and_rise, 0.8, source="low"),
    Style("sit", "chair", sit_on_chair, 3.0, source="seat"),
    Style("sit", "cross_legged", sit_cross_legged, 0.8, source="seat"),
    Style("sit", "perch", perch, 0.7, source="seat"),
    Style("sit", "floor", sit_on_floor, 0.8, source="seat"),
)
CAPTURED: tuple[CapturedStyle, ...] = (
    CapturedStyle("crouch", "getup_facedown", still_of("crouch", (2.1, 2.3)), 0.4),
    CapturedStyle("crouch", "getup_faceup", still_of("crouch", (2.6, 2.95)), 0.4),
    CapturedStyle("sit", "getup_faceup", still_of("sit", (1.95, 2.15)), 0.4),
)
