"""Boxing: footwork in an open stance and punches supported by the trunk.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.standing.standing import stance
from training.synthetic.motion.motion import ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import Movement, Rng, Style, drift, look_around, smoothstep, stand_on, steps
from training.synthetic.motion.punching import combinations, from_the_hip
from training.synthetic.motion.reaching import rhythm


def _shuffle(rng: Rng, movement: Movement, times: Array) -> None:
    """Stand with one foot ahead and soft knees, and step now and then, one foot after the other, in place."""
    poses = movement.poses
    split, width, soft = rng.uniform(0.1, 0.35), rng.uniform(0.1, 0.24), rng.uniform(0.02, 0.14)
    feet = np.zeros((len(times), 2, 3))
    feet[:, 0], feet[:, 1] = (split, 0.0, -width), (-split, 0.0, width)
    pelvis = np.zeros((len(times), 2))
    at = times[0] - rng.uniform(0.0, 0.8)
    while at < times[-1]:
        way, duration = rng.normal(0, [0.22, 0.12]), rng.uniform(0.18, 0.35)
        way = way - 0.4 * pelvis[-1]  # back towards the starting place
        for number, side in enumerate((0, 1) if way[0] > 0 else (1, 0)):
            start = at + 0.7 * number * duration
            feet[:, side][:, [0, 2]] += way * smoothstep(times, start, duration)[:, None]
            feet[:, side, 1] += 0.05 * np.sin(np.pi * np.clip((times - start) / duration, 0, 1))
        pelvis += way * smoothstep(times, at, 1.7 * duration)[:, None]
        at += 1.7 * duration + rng.exponential(0.9)
    bounce = rng.choice([0.0, 0.03]) * np.sin(2 * np.pi * rhythm(rng, times, rng.uniform(1.5, 2.6)))
    poses[:, [0, 2]] = pelvis + np.stack([drift(rng, times, 0.05, 2.5, 0.6), drift(rng, times, 0.03)], -1)
    poses[:, 1] = 0.985 - soft - 0.4 * split**2 + bounce
    stand_on(poses, feet)
    yaw = rng.uniform(-0.5, 0.5) + steps(rng, times, 0.4, (0.8, 3.0), (0.4, 0.9))
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, yaw), poses[:, ROOT])


def _box(rng: Rng, times: Array, drill: bool) -> Movement:
    movement = stance(rng, times, 0.15, 0.3)
    _shuffle(rng, movement, times)
    look_around(rng, movement.poses, times)
    (from_the_hip if drill else combinations)(rng, movement, times, np.ones_like(times))
    movement.action = "punch"
    return movement


def shadow_boxing(rng: Rng, times: Array) -> Movement:
    """Throw combinations at an imaginary opponent while moving."""
    return _box(rng, times, drill=False)


def drill(rng: Rng, times: Array) -> Movement:
    """Punch from the hip, left and right in turn, some punches with a step."""
    return _box(rng, times, drill=True)


STYLES: tuple[Style, ...] = (
    Style("punch", "shadow_boxing", shadow_boxing, 1.5, source="blows"),
    Style("punch", "drill", drill, 0.6, source="from_the_hip"),
)
