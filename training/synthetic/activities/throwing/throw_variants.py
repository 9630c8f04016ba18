"""Further throws: darts, basketball shots, shot put, discs, javelin, passes, slams, discus.

In each stroke the hand passes points in the body's own space (`training.synthetic.motion.reaching`) while trunk and
legs support it. Every stroke differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synthetic.activities.throwing.throwing import AHEAD, Aim, Stroke, throw_with
from training.synthetic.motion.motion import ANKLES, ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import Held, Movement, Rng, Style, stand_on, turn_chest, turn_head
from training.synthetic.motion.reaching import direction, keyed, log_uniform, reach, reach_across

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ThrowShape:
    """A throw: the hand's places (for two hands, the ball's) while waiting, at wind-up, at release and at the end; the
    trunk's turn to the throwing side (negative: away) and bend at wind-up and release; the knees' dip; the length of a
    step."""

    points: tuple[Point, Point, Point, Point]
    turn: tuple[float, float] = (0.0, 0.0)
    bend: tuple[float, float] = (0.0, 0.1)
    dip: float = 0.03
    step: float = 0.2
    swivel: float = 0.1
    speed: tuple[float, float] = (5.0, 12.0)


SHAPES: dict[str, tuple[ThrowShape, Held, Aim]] = {
    "dart": (
        ThrowShape(
            ((0.36, 0.2, 0.3), (0.2, 0.28, 0.34), (0.82, 0.25, 0.24), (0.88, 0.02, 0.2)),
            (0.15, 0.0),
            (0.0, 0.06),
            0.0,
            0.0,
        ),
        "right",
        AHEAD,
    ),
    "set_shot": (
        ThrowShape(
            ((0.4, -0.35, 0.1), (0.26, 0.52, 0.16), (0.45, 0.98, 0.2), (0.55, 0.85, 0.2)),
            (0.0, 0.0),
            (0.05, -0.08),
            0.16,
            0.05,
            speed=(6.0, 9.0),
        ),
        "right",
        Aim(rise=(0.6, 1.1)),
    ),
    "both_hands_shot": (
        ThrowShape(
            ((0.4, -0.4, 0.0), (0.3, 0.35, 0.0), (0.5, 0.95, 0.0), (0.6, 0.8, 0.0)),
            (0.0, 0.0),
            (0.1, -0.08),
            0.16,
            0.0,
            speed=(6.0, 9.0),
        ),
        "both",
        Aim(rise=(0.6, 1.1)),
    ),
    "shot_put": (
        ThrowShape(
            ((0.24, 0.1, 0.38), (0.12, 0.1, 0.46), (0.74, 0.6, 0.3), (0.7, 0.2, 0.0)),
            (0.9, -0.5),
            (0.3, 0.05),
            0.24,
            0.4,
            0.4,
            (6.0, 10.0),
        ),
        "right",
        Aim(rise=(0.4, 0.9)),
    ),
    "disc": (
        ThrowShape(
            ((0.42, -0.35, 0.15), (0.32, -0.15, -0.55), (0.72, -0.05, 0.62), (0.4, 0.05, 1.1)),
            (-0.7, 0.5),
            (0.1, 0.05),
            0.06,
            0.3,
            0.5,
        ),
        "right",
        Aim(rise=(0.0, 0.3)),
    ),
    "javelin": (
        ThrowShape(
            ((0.15, 0.4, 0.5), (-0.62, 0.35, 0.8), (0.55, 0.78, 0.35), (0.6, -0.45, -0.2)),
            (0.9, -0.6),
            (-0.2, 0.3),
            0.08,
            0.65,
            speed=(10.0, 18.0),
        ),
        "right",
        Aim(rise=(0.3, 0.8)),
    ),
    "hook_shot": (
        ThrowShape(
            ((0.35, -0.3, 0.15), (0.05, -0.35, 1.1), (0.1, 1.0, 0.45), (0.3, 0.75, -0.2)),
            (0.3, -0.1),
            (0.0, 0.0),
            0.1,
            0.2,
            0.2,
            (5.0, 9.0),
        ),
        "right",
        Aim((0.4, 0.0, -1.0), (0.5, 1.0)),
    ),
    "side_pass": (
        ThrowShape(
            ((0.4, -0.45, 0.0), (0.18, -0.5, 0.5), (0.5, -0.25, -0.42), (0.42, -0.15, -0.7)),
            (0.5, -0.6),
            (0.25, 0.15),
            0.08,
            0.2,
        ),
        "both",
        Aim((0.3, 0.0, -1.0), (0.0, 0.4)),
    ),
    "slam": (
        ThrowShape(
            ((0.4, -0.35, 0.0), (0.06, 0.92, 0.0), (0.56, -0.3, 0.0), (0.4, -0.72, 0.0)),
            (0.0, 0.0),
            (-0.2, 0.7),
            0.14,
            0.0,
        ),
        "both",
        Aim(rise=(-1.4, -0.9)),
    ),
    "lob": (
        ThrowShape(
            ((0.42, -0.2, 0.35), (0.26, 0.15, 0.48), (0.6, 0.36, 0.3), (0.66, 0.08, 0.26)),
            (0.15, 0.0),
            (0.0, 0.03),
            0.0,
            0.0,
            speed=(3.0, 6.0),
        ),
        "right",
        Aim(rise=(0.3, 0.9)),
    ),
    "flick": (
        ThrowShape(
            ((0.36, -0.4, 0.1), (0.32, -0.36, -0.12), (0.5, -0.3, 0.62), (0.42, -0.35, 0.75)),
            (-0.15, 0.1),
            (0.0, 0.0),
            0.0,
            0.0,
            0.2,
            (3.0, 7.0),
        ),
        "right",
        Aim((0.7, 0.0, 0.7), (0.0, 0.5)),
    ),
    "over_a_wall": (
        ThrowShape(
            ((0.4, -0.3, 0.0), (-0.12, 0.6, 0.0), (0.5, 0.85, 0.0), (0.85, 0.1, 0.0)),
            (0.0, 0.0),
            (-0.3, 0.35),
            0.08,
            0.4,
        ),
        "both",
        AHEAD,
    ),
}


def _legs(movement: Movement, phase: Array, dip: float, step: float) -> None:
    """Bend the knees before the release and stretch them at it; the other side's foot steps ahead and back, in
    place."""
    poses = movement.poses
    ahead = keyed(phase, (-0.7, -0.1, 0.45, 1.0), (0, 1, 1, 0))
    feet = np.zeros((len(poses), 2, 3))
    feet[:, 0, 2], feet[:, 1, 2] = -0.14, 0.14
    feet[:, 0, 0] = 0.04 + step * ahead
    feet[:, 1, 0] = -0.04
    moving = np.sin(np.pi * np.clip((phase + 0.7) / 0.6, 0, 1)) + np.sin(np.pi * np.clip((phase - 0.45) / 0.55, 0, 1))
    feet[:, 0, 1] = 0.1 * moving * (step > 0.12)
    poses[:, 0] += 0.5 * step * ahead
    poses[:, 1] -= dip * keyed(phase, (-1.0, -0.4, 0.0, 0.5), (0, 1, 0.1, 0)) + (0.12 * step + 0.01) * ahead
    stand_on(poses, feet)


def along(shape: ThrowShape, held: Held) -> Stroke:
    """Return a stroke along `shape` that varies in size, height and timing for each person."""

    def stroke(rng: Rng, movement: Movement, times: Array, phase: Array) -> float:
        size = rng.uniform(0.45, 1.1)
        points = np.array(shape.points) + rng.normal(0, 0.06, (4, 3)) + rng.normal(0, [0.0, 0.06, 0.03])
        points = points[:1] + size * (points - points[:1]) if rng.random() < 0.5 else points
        instants = (-0.75, rng.uniform(-0.5, -0.25), 0.0, rng.uniform(0.2, 0.45))
        _legs(movement, phase, shape.dip * rng.uniform(0.3, 1.5), shape.step * rng.uniform(0.0, 1.3))
        on = keyed(phase, (-1.0, -0.75, 0.5, 1.0), (0, 1, 1, 0))
        path = keyed(phase, instants, points.tolist())
        turns = (0.0, shape.turn[0] * size, shape.turn[1] * size, 0.0)
        bends = (0.0, shape.bend[0] * size, shape.bend[1] * size, 0.0)
        at = (-0.95, instants[1], 0.05, 1.0)
        turn_chest(movement.poses, keyed(phase, at, bends), -keyed(phase, at, turns))
        swivel = shape.swivel + rng.normal(0, 0.2)
        if held == "both":
            apart = rng.uniform(0.1, 0.16)
            for side, sign in ((0, -1.0), (1, 1.0)):
                reach_across(movement, side, path + np.array([0.0, 0.0, sign * apart]), on, swivel)
        else:
            reach(movement, 1, path, on, swivel)
            balance = rng.uniform(0.3, 0.9) * direction(rng.uniform(0.0, 1.4), rng.uniform(-1.2, 0.4))
            reach(movement, 0, balance + np.array([0.0, 0.0, 0.35]), on * rng.uniform(0.0, 1.0))
        turn_head(movement.poses, 0.1 * on, 0.0)
        return log_uniform(rng, *shape.speed)

    return stroke


def random_throw(rng: Rng, movement: Movement, times: Array, phase: Array) -> float:
    """Throw from a random wind-up behind, above or across the body to a release ahead, with a follow-through."""
    wound = rng.uniform(0.35, 0.9) * direction(rng.uniform(0.8, 3.0), rng.uniform(-0.4, 1.0)) + np.array([0, 0, 0.35])
    if rng.random() < 0.2:
        wound = np.array([0.35, rng.uniform(-0.3, 0.4), -0.4])
    out = rng.uniform(0.6, 0.95) * direction(rng.uniform(-0.3, 0.8), rng.uniform(-0.2, 1.0)) + np.array([0, 0, 0.3])
    beyond = out + 0.6 * (out - wound) + np.array([0.0, -rng.uniform(0.2, 0.9), 0.0])
    waits = (rng.uniform(0.2, 0.5), rng.uniform(-0.6, 0.1), rng.uniform(0.1, 0.4))
    points = tuple((float(x), float(y), float(z)) for x, y, z in (waits, wound, out, beyond))
    turn = rng.uniform(0.0, 0.9)
    shape = ThrowShape(
        (points[0], points[1], points[2], points[3]),
        (turn, -0.7 * turn),
        (-0.1, rng.uniform(0.0, 0.4)),
        rng.uniform(0, 0.15),
        rng.uniform(0, 0.6),
    )
    return along(shape, "right")(rng, movement, times, phase)


def discus(rng: Rng, movement: Movement, times: Array, phase: Array) -> float:
    """Trail the stretched arm while the whole body turns, once round or from the back, and fling it out."""
    poses = movement.poses
    rounds = float(rng.integers(2))
    back = rng.uniform(0.5, 1.3)
    yaw = keyed(phase, (-1.0, -0.65, 0.05, 0.9), (0.0, -back, 2 * np.pi * rounds + 0.4, 2 * np.pi * rounds))
    on = keyed(phase, (-1.0, -0.75, 0.5, 1.0), (0, 1, 1, 0))
    poses[:, 1] -= rng.uniform(0.06, 0.16) * on
    treads = 0.1 * on * (phase < 0.1) * (rounds + 0.3)
    poses[:, ANKLES.start + 1] += 0.1 * on + treads * np.clip(np.sin(9 * phase), 0, None)
    poses[:, ANKLES.start + 4] += 0.1 * on + treads * np.clip(-np.sin(9 * phase), 0, None)
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, yaw), poses[:, ROOT])
    azimuth = keyed(phase, (-1.0, -0.55, -0.2, 0.0, 0.35, 0.9), (1.4, 2.5, 2.3, 0.9, -0.2, 0.6))
    height = keyed(phase, (-1.0, -0.5, 0.0, 0.4), (-0.5, -0.2, rng.uniform(0.0, 0.35), 0.3))
    trail = rng.uniform(0.8, 0.96) * direction(azimuth, height) + np.array([0.0, 0.0, 0.348])
    reach(movement, 1, trail, on, 0.2)
    reach(movement, 0, 0.8 * direction(1.2, -0.1) + np.array([0.0, 0.0, 0.348]), 0.8 * on)
    turn_chest(poses, 0.15 * on, keyed(phase, (-1.0, -0.5, 0.1, 1.0), (0.0, -0.6, 0.5, 0.0)))
    return rng.uniform(7.0, 14.0)


STYLES: tuple[Style, ...] = (
    *(
        Style("throw", name, throw_with(along(shape, held), held, aim), 0.6, source="strokes")
        for name, (shape, held, aim) in SHAPES.items()
    ),
    Style("throw", "any_way", throw_with(random_throw), 1.5, source="strokes"),
    Style("throw", "discus", throw_with(discus, "right", Aim(rise=(0.2, 0.7))), 0.8),
)
