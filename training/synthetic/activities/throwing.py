"""Throws overarm, with both hands, sidearm and underarm; the ball leaves the hand and falls.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.activities.mechanics.contact import (
    ARM,
    FLOOR,
    GRAVITY,
    between_shoulders,
    chest_rotation,
    eased,
    wrist,
)
from training.synthetic.activities.mechanics.events import event_start
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import ROOT, Array, axis_rotation, blend, conjugate, quaternion_multiply, rotate
from training.synthetic.motion.movement import (
    ACTION_INDEX,
    TAG_INDEX,
    UNSURE,
    Held,
    Maker,
    Movement,
    Prop,
    Rng,
    Style,
    look_around,
    place_arm,
    set_arm,
    stand_on,
    turn_chest,
)

Stroke = Callable[[Rng, Movement, Array, Array], float]
"""(rng, movement, times [T], phase [T]): move the body for one throw, from phase −1 (wind-up) over 0 (release) to 1 (at
rest). Returns the release speed in leg lengths per second."""


def in_chest_frame(poses: Array, points: Array) -> Array:
    """Return points of the world [T, 3] as in a prop's path: from the midpoint of the shoulders, in arm lengths."""
    return rotate(conjugate(chest_rotation(poses)), points - between_shoulders(poses)) / ARM


def flight(times: Array, release: float, start: Array, velocity: Array) -> Array:
    """Return the places [T, 3] of an object that leaves `start` [3] at `release` with `velocity` [3] and stays where it
    lands."""
    after = np.clip(times - release, 0.0, None)[:, None]
    path = start + velocity * after
    path[:, 1] -= 0.5 * GRAVITY * after[:, 0] ** 2
    low = FLOOR + 0.08
    path[:, 1] = np.maximum(path[:, 1], low)
    return path


def _step_into(movement: Movement, phase: Array, side: int, size: float) -> None:
    """Step ahead with the foot of the other side, and let the trunk follow, in place."""
    poses = movement.poses
    step = eased(phase, (-0.6, -0.05), (0.0, 1.0)) - eased(phase, (0.5, 1.0), (0.0, 1.0))
    lift = np.sin(np.pi * np.clip((phase + 0.6) / 0.5, 0, 1))
    feet = np.zeros((len(poses), 2, 3))
    feet[:, 0, 2], feet[:, 1, 2] = -0.13, 0.13
    feet[:, side, 0] = -0.1
    feet[:, 1 - side, 0] = 0.1 + size * step
    feet[:, 1 - side, 1] = 0.12 * lift * (size > 0.15)
    poses[:, 0] += 0.5 * size * step
    poses[:, 1] -= 0.12 * size * step
    stand_on(poses, feet)


def overarm(rng: Rng, movement: Movement, times: Array, phase: Array) -> float:
    """Take the hand behind the head, the elbow ahead, and whip; the body turns with it."""
    _step_into(movement, phase, 1, rng.uniform(0.0, 0.55))
    wind = eased(phase, (-1.0, -0.45), (0.0, 1.0)) * (1 - eased(phase, (-0.3, 0.05), (0.0, 1.0)))
    keys = (
        (0.1, -0.9, 0.15),
        (-0.25, -0.2, 0.55),
        (-0.35, 0.45, 0.45),
        (0.62, 0.66, 0.1),
        (0.6, -0.5, -0.45),
        (0.1, -0.9, 0.15),
    )
    instants = (-1.0, -0.65, -0.35, 0.0, 0.35, 1.0)
    path = np.stack([eased(phase, instants, [key[axis] for key in keys]) for axis in range(3)], -1)
    on = _weight(phase)
    set_arm(movement.poses, 1, path, np.array([0.1, -0.2, 1.0]), on)
    set_arm(movement.poses, 0, np.array([0.75, 0.1, 0.1]), np.array([0.0, -0.8, 0.6]), 0.8 * wind)
    turn_chest(
        movement.poses,
        eased(phase, (-1, -0.4, 0.15, 1), (0, -0.2, 0.4, 0)),
        eased(phase, (-1, -0.35, 0.15, 1), (0, -0.8, 0.5, 0)),
    )
    return rng.uniform(6.0, 18.0)


def two_handed(rng: Rng, movement: Movement, times: Array, phase: Array) -> float:
    """Throw with both hands from the chest or above the head."""
    above = rng.random() < 0.4
    _step_into(movement, phase, 1, rng.choice([0.0, 0.35]))
    load = (-0.15, 0.5, -0.2) if above else (0.28, -0.3, -0.2)
    out = (0.65, 0.6, -0.18) if above else (0.93, -0.1, -0.15)
    pull = eased(phase, (-1.0, -0.3), (0.0, 1.0))
    push = eased(phase, (-0.25, 0.03), (0.0, 1.0))
    on = 1 - eased(phase, (0.55, 1.0), (0.0, 1.0))  # the hands hold the ball before
    for side in (0, 1):
        path = np.array([0.4, -0.45, -0.2]) + pull[:, None] * (np.array(load) - (0.4, -0.45, -0.2))
        path = path + push[:, None] * (np.array(out) - path)
        set_arm(movement.poses, side, path, np.array([0.1 if above else -0.3, -0.6, 0.9]), on)
    turn_chest(movement.poses, (0.35 * push - 0.25 * pull) * on)
    return rng.uniform(4.0, 10.0)


def sidearm(rng: Rng, movement: Movement, times: Array, phase: Array) -> float:
    """Swing the stretched arm round with the trunk, as for a disc or a stone over water."""
    turn = eased(phase, (-1.0, -0.35, 0.25, 1.0), (0.0, -1.2, 1.1, 0.0)) * rng.uniform(0.8, 1.2)
    angle = eased(phase, (-1.0, -0.4, 0.0, 0.4, 1.0), (0.3, -0.5, 1.2, 2.0, 0.3))
    height, reach = rng.uniform(-0.5, 0.0), rng.uniform(0.75, 0.95)
    level = np.sqrt(1 - height**2) * reach
    path = np.stack([level * np.sin(angle), 0 * angle + height, level * np.cos(angle)], -1)
    on = _weight(phase)
    poses = movement.poses
    poses[:, 1] -= 0.08 * on
    feet = np.zeros((len(poses), 2, 3))
    feet[:, 0], feet[:, 1] = (0.2, 0.0, -0.2), (-0.12, 0.0, 0.2)
    stand_on(poses, feet)
    set_arm(poses, 1, path, np.array([-0.4, -0.3, 0.8]), on)
    turn_chest(poses, 0.2 * on, 0.7 * turn, 0.25 * on)
    return rng.uniform(5.0, 14.0)


def underarm(rng: Rng, movement: Movement, times: Array, phase: Array) -> float:
    """Swing the hanging arm back and then up ahead, as to bowl or toss. Held out."""
    swing = eased(phase, (-1.0, -0.45, 0.1, 1.0), (0.0, -1.1, 1.3, 0.0)) * rng.uniform(0.7, 1.1)
    path = 0.95 * np.stack([np.sin(swing), -np.cos(swing), 0.12 + 0 * swing], -1)
    bow = rng.uniform(0.1, 0.6) * _weight(phase)
    poses = movement.poses
    depth = rng.uniform(0.02, 0.3) * _weight(phase)
    poses[:, 1] -= depth
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(2, -0.5 * bow))
    feet = np.zeros((len(poses), 2, 3))
    feet[:, 0], feet[:, 1] = (0.25, 0.0, -0.12), (-0.2, 0.0, 0.12)
    stand_on(poses, feet)
    turn_chest(poses, 0.5 * bow)
    set_arm(poses, 1, path, np.array([-1.0, 0.0, 0.4]), _weight(phase))
    return rng.uniform(4.0, 9.0)


def _weight(phase: Array) -> Array:
    return eased(phase, (-1.0, -0.75), (0.0, 1.0)) * (1 - eased(phase, (0.55, 1.0), (0.0, 1.0)))


def throw_with(stroke: Stroke, held: Held = "right") -> Maker:
    """Throw one to three balls, standing in between."""

    def make(rng: Rng, times: Array) -> Movement:
        movement = stance(rng, times, rng.uniform(0.1, 0.2), 0.5)
        look_around(rng, movement.poses, times)
        for side in (0, 1):
            place_arm(rng, movement, side, "hang_loose", times)
        rest = (movement.poses.copy(), movement.tags)
        wind, follow = rng.uniform(0.5, 1.0), rng.uniform(0.4, 0.8)
        release = event_start(rng, times, wind + follow) + wind
        instants = [release]
        while rng.random() < 0.5 and instants[0] - wind - follow - 0.6 > times[0]:
            instants.insert(0, instants[0] - wind - follow - rng.uniform(0.6, 1.8))
        labels = np.full(len(times), ACTION_INDEX["stand"])
        state = rng.bit_generator.state
        poses, busy = rest[0].copy(), np.zeros(len(times), dtype=bool)
        for at in instants:
            rng.bit_generator.state = state  # one person: every throw has the same style
            phase = np.where(times < at, (times - at) / wind, (times - at) / follow)
            one = Movement(rest[0].copy(), rest[1], "throw")
            speed = stroke(rng, one, times, np.clip(phase, -1.0, 1.0))
            own = eased(phase, (-1.6, -1.0), (0.0, 1.0)) * (1 - eased(phase, (1.0, 1.6), (0.0, 1.0)))
            poses = blend(poses, one.poses, own)
            busy |= abs(phase) < 1
            labels[(phase > -1) & (phase < 1)] = UNSURE
            labels[(phase > -0.85) & (phase < 0.8)] = ACTION_INDEX["throw"]
            _tag_throw(movement, phase, held)
            movement.props += _thrown(rng, one, times, at, at - wind - 0.6, speed, held)
        movement.poses, movement.labels, movement.action = poses, labels, "throw"
        movement.tags[:, TAG_INDEX["stand"]] = ~busy
        return movement

    return make


def _tag_throw(movement: Movement, phase: Array, held: Held) -> None:
    for side in (0, 1) if held == "both" else (1,):
        doing = (phase > -0.75) & (phase < 0.5)
        movement.tags[:, TAG_INDEX["throw_l"] + side] = np.maximum(movement.tags[:, TAG_INDEX["throw_l"] + side], doing)
        ready = (phase > -1.6) & (phase <= -0.75)
        movement.tags[:, TAG_INDEX["hold_l"] + side] = np.maximum(movement.tags[:, TAG_INDEX["hold_l"] + side], ready)


def _thrown(
    rng: Rng, movement: Movement, times: Array, release: float, taken: float, speed: float, held: Held
) -> list[Prop]:
    """Return the ball in the hand from `taken` to its `release`, and on its flight until it is far away."""
    poses = movement.poses
    hand = wrist(poses, 1)
    if held == "both":
        hand = 0.5 * (hand + wrist(poses, 0))
    at = int(np.clip(np.searchsorted(times, release), 0, len(times) - 1))
    chest = chest_rotation(poses)[at]
    rise = rng.uniform(0.0, 0.7)
    direction = rotate(chest, np.array([1.0, 0.0, 0.0])) * np.array([1.0, 0.0, 1.0])
    velocity = speed * (
        np.cos(rise) * direction / max(float(np.linalg.norm(direction)), 1e-6) + np.array([0.0, np.sin(rise), 0.0])
    )
    path = flight(times, release, hand[at], velocity)
    gone = (np.linalg.norm(path - hand[at], axis=-1) > 6.0) | (times > release + 1.5)
    away = Prop("ball", "free", ((times >= release) & ~gone).astype(float), in_chest_frame(poses, path), thing=0)
    return [Prop("ball", held, ((times > taken) & (times < release)).astype(float), thing=0), away]


STYLES: tuple[Style, ...] = (
    Style("throw", "overarm", throw_with(overarm), 2.0),
    Style("throw", "two_handed", throw_with(two_handed, "both"), 1.0),
    Style("throw", "sidearm", throw_with(sidearm), 0.8),
    Style("throw", "underarm", throw_with(underarm), held_out=True),
)
