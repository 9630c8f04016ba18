"""Dancing and cartwheels.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import keep_above_floor, put_foot
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import ANKLES, ROOT, Array, MotionClip, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    drift,
    set_arm,
    tags_of,
    turn_chest,
    upright,
)


def captured_dance(clip: MotionClip) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        rate = rng.uniform(0.7, 1.25)
        poses = clip.at((times - times[0]) * rate + rng.uniform(0, clip.duration))
        return Movement(poses, tags_of(len(times)), "dance")

    return make


def free_dance(rng: Rng, times: Array) -> Movement:
    """Move every limb along its own curve to a common beat."""
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
    keep_above_floor(poses)
    movement.action, movement.tags = "dance", tags_of(len(times))
    return movement


def side_step(rng: Rng, times: Array) -> Movement:
    """Step to the side and close, to both sides, with a bounce; the arms swing, or clap without meeting."""
    beat = rng.uniform(0.9, 2.0)  # steps per second
    phase = beat * times + rng.uniform(0, 4.0)
    count = np.floor(phase).astype(int)
    part = phase - count
    moved = part * part * (3 - 2 * part)
    reach = rng.uniform(0.25, 0.5)
    # Four beats: out to the right, close; out to the left, close. Feet as multiples of `reach`.
    right_at, left_at = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0, 0.0])
    now, then = count % 4, (count - 1) % 4
    feet = np.zeros((len(times), 2, 3))
    for side, at, sign in ((0, left_at, -1.0), (1, right_at, 1.0)):
        feet[:, side, 2] = reach * (at[then] + moved * (at[now] - at[then]) - 0.5) + sign * 0.1
        feet[:, side, 1] = 0.1 * np.sin(np.pi * part) * (at[now] != at[then])
    poses = upright(times)
    bounce = rng.uniform(0.02, 0.08)
    poses[:, 1] = 0.95 - bounce * (0.5 + 0.5 * np.cos(2 * np.pi * phase))
    poses[:, 2] = feet[:, :, 2].mean(1)
    poses[:, ROOT] = axis_rotation(1, rng.uniform(0.0, 0.35) * np.sin(np.pi * phase / 2))
    for side in (0, 1):
        put_foot(poses, side, feet[:, side], (1.0, 0.0, 0.2))
    turn_chest(
        poses, 0.05, rng.uniform(0.0, 0.4) * np.sin(np.pi * phase), rng.uniform(0.0, 0.25) * np.sin(np.pi * phase)
    )
    size, level = rng.uniform(0.1, 0.35), rng.uniform(-0.6, 0.1)
    together = rng.random() < 0.5
    for side in (0, 1):
        swing = size * np.sin(np.pi * phase + (0.0 if together else np.pi * side))
        wrist = np.stack([0.42 + 0 * swing, level + 0.4 * abs(swing), 0.1 + swing * (1 if side else -1)], -1)
        set_arm(poses, side, wrist, np.array([-0.4, -0.8, 0.7]))
    return Movement(poses, tags_of(len(times)), "dance")


def arm_routine(rng: Rng, times: Array) -> Movement:
    """Repeat a series of arm positions on the beat while the hips sway in opposition."""
    beat = rng.uniform(0.8, 1.8)
    phase = beat * times + rng.uniform(0, 8.0)
    length = int(rng.choice([2, 4, 4, 8]))
    movement = stance(rng, times, rng.uniform(0.12, 0.3), 0.1)
    poses = movement.poses
    count = np.floor(phase).astype(int)
    quick = rng.uniform(0.35, 0.9)
    part = np.clip((phase - count) / quick, 0, 1)
    moved = (part * part * (3 - 2 * part))[:, None]
    alike = rng.random() < 0.5
    keys = _arm_keys(rng, length)
    for side in (0, 1):
        own = keys if side == 0 or alike else np.roll(keys, length // 2, 0)
        wrist = own[(count - 1) % length] + moved * (own[count % length] - own[(count - 1) % length])
        set_arm(poses, side, wrist, np.array([-0.2, -0.6, 0.9]))
    sway = rng.uniform(0.04, 0.14) * np.sin(np.pi * phase)
    feet = np.zeros((len(times), 2, 3))
    feet[:, 0, 2], feet[:, 1, 2] = -0.16, 0.16
    poses[:, 2] += sway
    poses[:, 1] -= 0.05 + 0.04 * np.cos(2 * np.pi * phase)
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, 1.5 * sway), poses[:, ROOT])
    for side in (0, 1):
        put_foot(poses, side, feet[:, side], (1.0, 0.0, 0.3))
    turn_chest(poses, 0.0, -2.0 * sway, -1.2 * sway)
    movement.action, movement.tags = "dance", tags_of(len(times))
    return movement


def _arm_keys(rng: Rng, count: int) -> Array:
    """Return wrists [count, 3] of a right arm, each far from the one before."""
    keys = [np.array([0.1, -0.9, 0.15])]
    while len(keys) < count + 1:
        way = rng.normal(0, 1, 3)
        way[0], way[2] = abs(way[0]), abs(way[2]) - 0.3
        key = way / float(np.linalg.norm(way)) * rng.uniform(0.45, 0.92)
        if np.linalg.norm(key - keys[-1]) > 0.6:
            keys.append(key)
    return np.array(keys[1:])


# ---- cartwheels -----------------------------------------------------------------------------------------------------
def captured_cartwheel(clip: MotionClip) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        poses = clip.at(times * rng.uniform(0.8, 1.25) + rng.uniform(0, clip.duration))
        return Movement(poses, tags_of(len(times)), "cartwheel")

    return make


def wheel(rng: Rng, times: Array) -> Movement:
    """Turn sideways like a wheel whose spokes are straight arms and legs."""
    return _wheel(rng, times, hands=(0, 1), straddle=rng.uniform(0.45, 0.75))


def one_handed(rng: Rng, times: Array) -> Movement:
    """Turn on one hand, with the other at the hip or stretched out. Held out."""
    return _wheel(rng, times, hands=(1,), straddle=rng.uniform(0.4, 0.6))


def _wheel(rng: Rng, times: Array, hands: tuple[int, ...], straddle: float) -> Movement:
    turn_s, pause = rng.uniform(0.9, 1.6), rng.choice([0.0, 0.0, 0.4])
    clock = (times + rng.uniform(0, 3.0)) / (turn_s + pause)
    turns = np.floor(clock)
    share = np.clip((clock - turns) * (turn_s + pause) / turn_s, 0, 1)
    # Slower at the beginning and the end, where the feet push.
    angle = 2 * np.pi * (share - 0.06 * np.sin(4 * np.pi * share))
    inverted = 0.5 - 0.5 * np.cos(angle)
    poses = upright(times)
    # The pelvis is over the feet, low while hand and foot share the weight, then over straight arms.
    poses[:, 1] = 0.91 - 0.135 * np.cos(angle) + 0.13 * np.cos(2 * angle)
    poses[:, 2] = (turns + angle / (2 * np.pi)) * rng.uniform(2.2, 2.8)
    poses[:, ROOT] = axis_rotation(0, angle)  # towards the right
    for side, sign in ((0, -1.0), (1, 1.0)):
        spread = straddle * (0.5 + 0.5 * inverted)
        leg = np.stack([0 * spread, -0.97 * np.cos(spread), sign * 0.97 * np.sin(spread)], -1)
        poses[:, ANKLES.start + 3 * side : ANKLES.start + 3 * side + 3] = leg
        raised = np.array([0.05, 0.9, 0.3])
        set_arm(poses, side, raised if side in hands else np.array([0.05, -0.6, 0.3]), np.array([0.1, 0.0, 1.0]))
    turn_chest(poses, 0.1 * inverted)
    keep_above_floor(poses)
    return Movement(poses, tags_of(len(times)), "cartwheel")


STYLES: tuple[Style, ...] = (
    Style("dance", "free", free_dance, 2.0),
    Style("dance", "side_step", side_step, 1.2),
    Style("dance", "arm_routine", arm_routine, 1.2),
    Style("cartwheel", "wheel", wheel, 1.0, source="wheel"),
    Style("cartwheel", "one_handed", one_handed, held_out=True, source="wheel"),
)
CAPTURED: tuple[CapturedStyle, ...] = (
    CapturedStyle("dance", "dance_a", captured_dance, 1.0),
    CapturedStyle("dance", "dance_b", captured_dance, held_out=True),
    CapturedStyle("cartwheel", "cartwheel", captured_cartwheel, 1.2),
)
