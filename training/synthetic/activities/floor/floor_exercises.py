"""Floor movements that resemble other actions.

Each style is a function (rng, times [T]) → `Movement`: planks resemble push-ups, all fours crawling, sit-ups sitting
down, and lying down falling.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.floor.exercising import repeats
from training.synthetic.activities.floor.lying import fidget, set_leg
from training.synthetic.activities.mechanics.contact import (
    HAND,
    PRONE,
    SUPINE,
    TORSO,
    eased,
    keep_above_floor,
    pitched,
    pose_path,
    put_foot,
    put_hand,
    rest_on_floor,
    shoulder,
    standing_pose,
)
from training.synthetic.activities.mechanics.events import event_labels, event_start
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import CHEST, POSITION, ROOT, Array, axis_rotation, blend
from training.synthetic.motion.movement import (
    TAG_INDEX,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    drift,
    set_arm,
    smoothstep,
    steps,
    tags_of,
    turn_chest,
    turn_head,
)


def _other(poses: Array) -> Movement:
    return Movement(poses, tags_of(len(poses)), "other")


def plank(rng: Rng, times: Array) -> Movement:
    """Hold the body straight and still on the hands or the forearms."""
    forearms = rng.random() < 0.5
    height = HAND + (0.30 if forearms else 0.62)
    length = 0.985 + 0.98 * TORSO
    angle = float(np.arcsin((height - 0.05) / length))
    sag = rng.normal(0.0, 0.06) + drift(rng, times, 0.01)
    poses = pitched(times, 0.05 + 0.985 * np.sin(angle), np.pi / 2 - angle + sag, -1.6 * sag)
    turn_head(poses, rng.uniform(-0.6, 0.1), steps(rng, times, 0.2, (1.5, 5.0), (0.4, 0.8)))
    apart = rng.uniform(0.03, 0.2)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([-0.985 * np.cos(angle), 0.05, sign * apart]), (0.1, -1.0, 0.1))
        hand = shoulder(poses, side)[0] + np.array([0.3 if forearms else -0.03, 0.0, 0.0])
        hand[1] = HAND
        put_hand(poses, side, hand, (-0.6, -1.0, 0.2) if forearms else (-1.0, 0.2, 0.4))
    return _other(poses)


def all_fours(rng: Rng, times: Array) -> Movement:
    """Stay on hands and knees: searching, playing or rounding the back; one limb may be stretched."""
    round_back = rng.choice([0.0, 0.35]) * np.sin(2 * np.pi * times / rng.uniform(2.0, 5.0))
    poses = pitched(times, 0.44 + drift(rng, times, 0.02), rng.uniform(1.3, 1.5) - 0.5 * round_back, round_back)
    poses[:, 0] += steps(rng, times, 0.06, (0.8, 3.0), (0.4, 1.0))
    turn_head(poses, rng.uniform(-0.9, 0.2) + round_back, steps(rng, times, 0.7, (0.6, 3.0), (0.3, 0.7)))
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([-0.46, -0.02, sign * 0.14]), (0.6, -1.0, 0.0))
        put_hand(poses, side, np.array([0.58, HAND, sign * 0.18]), (-1.0, 0.2, 0.5))
    if rng.random() < 0.4:  # a hand works at the floor
        side = int(rng.integers(2))
        wipe = np.array([0.75, HAND + 0.02, 0.1]) + fidget(rng, times, 0.12) * np.array([1.0, 0.2, 1.0])
        put_hand(poses, side, wipe, (-1.0, 0.2, 0.5))
    elif rng.random() < 0.3:
        out = np.clip(steps(rng, times, 0.6, (1.0, 3.0), (0.5, 1.0)) + 0.5, 0, 1)
        side = int(rng.integers(2))
        put_hand(poses, side, np.array([1.15, 0.5, 0.2 if side else -0.2]), (0.0, -1.0, 0.3), out)
        put_foot(poses, 1 - side, np.array([-0.95, 0.45, -0.12 if side else 0.12]), (0.2, -1.0, 0.0), out)
    return _other(poses)


def sit_ups(rng: Rng, times: Array) -> Movement:
    """Sit up from the back and lie down again, repeatedly, feet on the floor."""
    up = repeats(rng, times, (0.3, 0.8))
    pitch = SUPINE + rng.uniform(0.7, 1.5) * up
    curl = rng.uniform(0.2, 0.6) * up
    poses = pitched(times, 0.05, pitch, curl)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([rng.uniform(0.4, 0.65), 0.0, sign * 0.12]), (0.3, 1.0, 0.1))
        wrist = np.array([-0.05, 0.36, -0.14]) if rng.random() < 0.6 else np.array([0.25, -0.3, -0.35])
        set_arm(poses, side, wrist, np.array([0.2, 0.2, 1.0]))
    rest_on_floor(poses)
    return _other(poses)


def bridge(rng: Rng, times: Array) -> Movement:
    """Lie on the back with the hips lifted or the legs in the air."""
    lift = repeats(rng, times, (0.15, 0.6)) if rng.random() < 0.6 else np.full_like(times, 0.9)
    legs_up = rng.random() < 0.4
    rise = (0.0 if legs_up else 0.45) * lift
    poses = pitched(times, 0.05 + 0.35 * rise, SUPINE - 0.9 * rise, 0.3 * rise)
    for side, sign in ((0, -1.0), (1, 1.0)):
        if legs_up:
            angle = rng.uniform(1.0, 1.6) * lift
            set_leg(
                poses, side, 0.95 * np.stack([np.sin(angle), -np.cos(angle), 0 * angle + 0.08], -1), (1.0, 0.5, 0.1)
            )
        else:
            put_foot(poses, side, np.array([0.48, 0.0, sign * 0.13]), (0.3, 1.0, 0.1))
        set_arm(poses, side, np.array([-0.12, -0.93, 0.26]), np.array([-0.2, 0.0, 1.0]))
    rest_on_floor(poses)
    return _other(poses)


def lie_down(rng: Rng, times: Array) -> Movement:
    """Lie down slowly, over a kneeling position and the hands: the counterpart of a fall."""
    duration = rng.uniform(2.2, 4.0)
    start = event_start(rng, times, duration)
    standing = stance(rng, times, 0.12, 0.2)
    arms_at_rest(rng, standing, times)
    kneeling, hands, lying = standing_pose(), standing_pose(), pitched(np.zeros(1), 0.05, PRONE)
    kneeling[:, POSITION] = (0.05, 0.46, 0.0)
    kneeling[:, CHEST] = axis_rotation(2, np.array([-0.4]))
    hands[:, POSITION] = (0.1, 0.44, 0.0)
    hands[:, ROOT] = axis_rotation(2, np.array([-1.35]))
    for side, sign in ((0, -1.0), (1, 1.0)):
        set_leg(kneeling, side, np.array([-0.42, -0.5, 0.06]), (1.0, 0.0, 0.3))
        put_foot(hands, side, np.array([-0.36, -0.02, sign * 0.13]), (0.6, -1.0, 0.0))
        put_hand(hands, side, np.array([0.72, HAND, sign * 0.2]), (-1.0, 0.2, 0.6))
        set_arm(kneeling, side, np.array([0.45, -0.7, 0.0]), np.array([-0.6, -0.2, 0.6]))
        set_arm(lying, side, np.array([0.16, 0.34, -0.12]), np.array([0.1, 0.2, 1.0]))
        set_leg(lying, side, np.array([0.03, -0.97, 0.06]), (1.0, 0.0, 0.3))
    rest_on_floor(lying)
    lying[:, POSITION] += np.array([0.2, 0.0, 0.0])
    instants = (start, start + 0.35 * duration, start + 0.65 * duration, start + duration)
    down = pose_path(times, instants, (standing.poses[0], kneeling[0], hands[0], lying[0]))
    movement = _other(blend(standing.poses, down, smoothstep(times, start, 0.3)))
    keep_above_floor(movement.poses)
    movement.labels = event_labels(times, "stand", "other", "lie", start, start + duration)
    movement.tags[:, TAG_INDEX["stand"]] = times < start
    movement.tags[:, TAG_INDEX["lie"]] = times > start + 0.9 * duration
    return movement


def burpees(rng: Rng, times: Array) -> Movement:
    """Squat, throw the legs back, and come up again. Held out."""
    rate = rng.uniform(0.3, 0.55)
    phase = (rate * times + rng.random()) % 1.0
    standing, squat, stretched = standing_pose(), standing_pose(), pitched(np.zeros(1), 0.32, 1.25)
    squat[:, POSITION] = (-0.1, 0.35, 0.0)
    squat[:, ROOT] = axis_rotation(2, np.array([-0.8]))
    squat[:, CHEST] = axis_rotation(2, np.array([-0.3]))
    stretched[:, POSITION] = (-0.35, 0.36, 0.0)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(squat, side, np.array([0.0, 0.04, sign * 0.14]), (1.0, 0.2, 0.5))
        put_foot(stretched, side, np.array([-1.3, 0.05, sign * 0.12]), (0.1, -1.0, 0.1))
        for key in (squat, stretched):
            put_hand(key, side, np.array([0.25, HAND, sign * 0.22]), (-1.0, 0.2, 0.5))
    keys = (standing[0], squat[0], stretched[0], stretched[0], squat[0], standing[0])
    poses = pose_path(phase, (0.05, 0.25, 0.38, 0.52, 0.65, 0.9), keys)
    keep_above_floor(poses)
    return _other(poses)


def catching_breath(rng: Rng, times: Array) -> Movement:
    """Bend over with the hands on the knees."""
    movement = stance(rng, times, rng.uniform(0.12, 0.22), 0.2)
    poses = movement.poses
    angle = rng.uniform(0.9, 1.3) + 0.04 * np.sin(2 * np.pi * times * rng.uniform(0.3, 0.7))
    poses[:, 1] -= 0.1
    poses[:, 0] -= 0.18
    poses[:, ROOT] = axis_rotation(2, -0.6 * angle)
    turn_chest(poses, 0.4 * angle)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([0.0, 0.0, sign * 0.16]), (1.0, 0.1, 0.2))
        put_hand(poses, side, np.array([0.08, 0.5, sign * 0.17]), (-0.4, 0.0, 1.0))
    turn_head(poses, eased(times, (times[0], times[0] + 1.0), (0.3, rng.uniform(-0.7, 0.3))), drift(rng, times, 0.2))
    movement.action, movement.tags = "other", tags_of(len(times))
    return movement


STYLES: tuple[Style, ...] = (
    Style("other", "plank", plank, 0.7),
    Style("other", "all_fours", all_fours, 0.8),
    Style("other", "sit_ups", sit_ups, 0.7),
    Style("other", "bridge", bridge, 0.4),
    Style("other", "lie_down", lie_down, 0.8),
    Style("other", "burpees", burpees, held_out=True),
    Style("other", "catching_breath", catching_breath, 0.5),
)
