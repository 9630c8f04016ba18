"""Standing: still, turning on the spot, on tiptoe, on one leg, with raised hands.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.motion.motion import ANKLES, ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    TAG_INDEX,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    busy_hands,
    drift,
    look_around,
    place_arm,
    smoothstep,
    stand_on,
    steps,
    tags_of,
    turn_chest,
    turn_head,
    upright,
)


def _small_steps(rng: Rng, times: Array, restless: float) -> tuple[Array, Array]:
    """Draw the occasional small steps of a standing person.

    Returns the feet's paths [T, 2, 3] and the pelvis's path [T, 2] (x, z), in leg lengths.
    """
    feet, moved = np.zeros((len(times), 2, 3)), np.zeros((len(times), 2))
    at = times[0] - 1.0 + rng.exponential(3.0 / restless)
    while at < times[-1]:
        way, duration = rng.normal(0, 0.17, 2) * min(restless, 1.3), rng.uniform(0.3, 0.8)
        for number, side in enumerate(rng.permutation(2)):
            start = at + number * duration
            feet[:, side][:, [0, 2]] += way * smoothstep(times, start, 0.45)[:, None]
            feet[:, side, 1] += 0.05 * np.sin(np.pi * np.clip((times - start) / 0.45, 0, 1))
        moved += way * smoothstep(times, at, duration + 0.45)[:, None]
        at += duration + 0.5 + rng.exponential(3.0 / restless)
    return feet, moved


def _arms(rng: Rng, movement: Movement, times: Array) -> None:
    """Let both arms hang in half of the cases, and use any resting position in the others."""
    if rng.random() < 0.5:
        for side in (0, 1):
            place_arm(rng, movement, side, "hang" if rng.random() < 0.6 else "hang_loose", times)
    else:
        arms_at_rest(rng, movement, times)


def stance(rng: Rng, times: Array, width: float, restless: float) -> Movement:
    poses = upright(times)
    sway = drift(rng, times, 0.012) + steps(rng, times, 0.06 * restless, (1.0, 6.0), (0.4, 1.0))
    poses[:, 2] += sway
    poses[:, 0] += drift(rng, times, 0.012)
    poses[:, 1] += rng.uniform(-0.015, 0.007) - abs(sway) * 0.2
    roll = sway * 0.6 + drift(rng, times, 0.015)
    poses[:, ROOT] = axis_rotation(0, roll)
    feet, moved = _small_steps(rng, times, restless)
    for side, sign in ((0, -1.0), (1, 1.0)):
        feet[:, side, 2] += sign * width + rng.normal(0, 0.02)
        feet[:, side, 0] += rng.normal(0, 0.05)
    poses[:, [0, 2]] += moved
    stand_on(poses, feet)
    turn_chest(poses, rng.normal(0.03, 0.08) + drift(rng, times, 0.03), drift(rng, times, 0.12 * restless), -roll)
    return Movement(poses, tags_of(len(times), "stand"), "stand")


def stand(rng: Rng, times: Array) -> Movement:
    movement = stance(rng, times, rng.uniform(0.08, 0.22), rng.choice([0.3, 1.0, 2.0]))
    look_around(rng, movement.poses, times)
    _arms(rng, movement, times)
    return movement


def stand_treading(rng: Rng, times: Array) -> Movement:
    """Step and turn a little, as people do in company, without getting anywhere."""
    movement = stance(rng, times, rng.uniform(0.06, 0.18), rng.uniform(1.8, 3.5))
    turn = steps(rng, times, rng.uniform(0.1, 0.8), (1.0, 4.0), (0.5, 1.2))
    movement.poses[:, ROOT] = quaternion_multiply(axis_rotation(1, turn), movement.poses[:, ROOT])
    look_around(rng, movement.poses, times)
    _arms(rng, movement, times)
    return movement


def stand_turning(rng: Rng, times: Array) -> Movement:
    """Turn on the spot now and then with small steps."""
    movement = stance(rng, times, rng.uniform(0.08, 0.16), 1.0)
    yaw = steps(rng, times, rng.uniform(0.4, 1.6), (1.5, 5.0), (0.6, 1.6))
    turning = np.minimum(abs(np.gradient(yaw, times)), 1.5) if len(times) > 1 else np.zeros_like(times)
    for side in (0, 1):
        phase = 2 * np.pi * times * rng.uniform(1.3, 1.8) + np.pi * side
        movement.poses[:, ANKLES.start + 3 * side + 1] += 0.05 * turning * np.maximum(np.sin(phase), 0)
    movement.poses[:, ROOT] = quaternion_multiply(axis_rotation(1, yaw), movement.poses[:, ROOT])
    look_around(rng, movement.poses, times)
    _arms(rng, movement, times)
    return movement


def stand_tiptoe(rng: Rng, times: Array) -> Movement:
    """Stand on tiptoe, often reaching up."""
    movement = stance(rng, times, rng.uniform(0.06, 0.14), 0.3)
    lift = np.clip(steps(rng, times, 0.5, (0.8, 3.0), (0.3, 0.6)) + 0.6, 0, 1)
    movement.poses[:, 1] += 0.13 * lift
    movement.tags[:, TAG_INDEX["tiptoe"]] = lift
    arms_at_rest(rng, movement, times)
    if rng.random() < 0.6:
        for side in [0, 1] if rng.random() < 0.5 else [int(rng.integers(2))]:
            place_arm(rng, movement, side, "up", times, lift)
        turn_head(movement.poses, -0.4 * lift, 0.0)
    return movement


def stand_one_leg(rng: Rng, times: Array) -> Movement:
    """Hold one knee raised or a foot up behind: a raised leg that does not kick."""
    movement = stance(rng, times, 0.1, 0.4)
    side = int(rng.integers(2))
    on = np.clip(steps(rng, times, 0.6, (0.8, 3.0), (0.4, 0.9)) + 0.6, 0, 1)
    target = np.array([rng.uniform(0.15, 0.4), -rng.uniform(0.45, 0.75), 0.02])
    if rng.random() < 0.3:
        target = np.array([-0.3, -0.68, 0.02])
    columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
    movement.poses[:, columns] += on[:, None] * (target - movement.poses[:, columns])
    movement.poses[:, 2] += (0.06 if side == 0 else -0.06) * on
    arms_at_rest(rng, movement, times)
    return movement


def guard_stance(rng: Rng, times: Array) -> Movement:
    """Hold the hands up in front of the face now and then."""
    movement = stance(rng, times, rng.uniform(0.12, 0.25), 1.0)
    look_around(rng, movement.poses, times)
    arms_at_rest(rng, movement, times)
    weight = smoothstep(times, rng.uniform(times[0] - 3, times[-1]), 0.5)
    for side in (0, 1):
        place_arm(rng, movement, side, str(rng.choice(["guard", "chin", "head", "praying"])), times, weight)
    return movement


def stand_busy(rng: Rng, times: Array) -> Movement:
    """Stand and use the hands."""
    movement = stance(rng, times, rng.uniform(0.08, 0.22), rng.choice([0.3, 1.0, 2.0]))
    look_around(rng, movement.poses, times)
    arms_at_rest(rng, movement, times)
    busy_hands(rng, movement, times)
    return movement


STYLES: tuple[Style, ...] = (
    Style("stand", "still", stand, 4.0),
    Style("stand", "busy", stand_busy, 2.0),
    Style("stand", "treading", stand_treading, 2.5),
    Style("stand", "turning", stand_turning, 1.0),
    Style("stand", "one_leg", stand_one_leg, 0.3),
    Style("stand", "tiptoe", stand_tiptoe, 0.5),
    Style("stand", "guard", guard_stance, 0.5),
)
