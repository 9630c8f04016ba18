"""Walking and running on planted feet: in all directions, at all ages, on slopes and stairs, with stops.

Each style is a function (rng, times [T]) → `Movement`. `footfalls` sets down the feet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.activities.mechanics.footfalls import (
    Gait,
    GroundPath,
    grid,
    ground_path,
    lean_forwards,
    swing_arms,
    walk_along,
)
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import (
    ACTION_INDEX,
    TAG_INDEX,
    UNSURE,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    busy_hands,
    drift,
    look_around,
    place_arm,
    smoothstep,
    steps,
    tags_of,
    turn_head,
)

_CARRIED = ("phone_ear", "phone_front", "carry_front", "carry_side", "strap", "pocket", "hip", "folded", "behind")
_STANDS, _WALKS = 0.12, 0.35
"""Leg lengths per second: slower is standing, faster is walking, and in between is unsure."""


def _walk(rng: Rng, times: Array, path: GroundPath, gait: Gait, *, swing: float, elbow: float = 0.25) -> Movement:
    walk = walk_along(rng, times, path, gait)
    arms = rng.choice(4, p=[0.55, 0.15, 0.2, 0.1])  # both swing, one does, one or both hold something, still
    swing_arms(rng, walk, swing if arms != 3 else 0.08, elbow)
    movement = Movement(walk.poses, tags_of(len(times), "step", "swing"), "walk")
    if arms == 1:
        place_arm(rng, movement, int(rng.integers(2)), "hang", times)
    elif arms == 2:
        names = [str(rng.choice(_CARRIED))] * 2 if rng.random() < 0.3 else [str(rng.choice(_CARRIED))]
        for side, name in zip(rng.permutation(2), names, strict=False):
            place_arm(rng, movement, int(side), name, times)
    if rng.random() < 0.7:
        look_around(rng, movement.poses, times)
    return movement


def _bending(rng: Rng, at: Array, most: float) -> Array:
    """Return a heading [G] that wanders or turns corners, by up to about `most` radians."""
    if rng.random() < 0.3:
        return steps(rng, at, most, (1.0, 4.0), (0.6, 1.8))
    return drift(rng, at, most, 14.0, 5.0)


def street_walk(rng: Rng, times: Array) -> Movement:
    """Walk as in streets, from strolling to striding, sometimes on slopes and stairs."""
    at = grid(times)
    speed = float(np.clip(rng.normal(1.45, 0.4), 0.5, 2.4))
    pace = speed * (1 + drift(rng, at, 0.08, 8.0, 3.0))
    climb = rng.choice([0.0, 0.0, 0.0, rng.uniform(-0.25, 0.25)])
    stairs = 0.0
    if rng.random() < 0.08:
        climb, stairs, pace = rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 0.6), rng.uniform(0.17, 0.22), 0.5 * pace
    gait = Gait(
        cadence=float(np.sqrt(max(pace.mean(), 0.4) / 1.75) * np.clip(rng.normal(1.03, 0.1), 0.85, 1.3)),
        duty=rng.uniform(0.58, 0.66),
        width=rng.uniform(0.03, 0.13),
        lift=rng.uniform(0.03, 0.1) + 0.4 * stairs,
        heel=rng.uniform(0.08, 0.2),
        unsteady=rng.uniform(0.005, 0.025),
        sink=rng.uniform(0.0, 0.02),
        stairs=stairs,
    )
    path = ground_path(at, pace, _bending(rng, at, rng.uniform(0.0, 0.9)), climb=float(climb))
    movement = _walk(rng, times, path, gait, swing=rng.uniform(0.2, 0.8), elbow=rng.uniform(0.1, 0.6))
    lean_forwards(movement.poses, rng.normal(0.04, 0.05) + 0.2 * climb)
    return movement


def impaired_walk(rng: Rng, times: Array) -> Movement:
    """Shuffle, limp or walk as if old, tired or cautious: short steps, stooped, feet hardly lifted."""
    at = grid(times)
    cadence = rng.uniform(0.6, 1.1)
    speed = cadence * rng.uniform(0.4, 1.1)
    stoop = rng.choice([0.0, rng.uniform(0.1, 0.6)])
    gait = Gait(
        cadence=cadence,
        duty=rng.uniform(0.62, 0.72),
        width=rng.uniform(0.07, 0.2),
        lift=rng.uniform(0.01, 0.05),
        heel=rng.uniform(0.0, 0.08),
        limp=rng.choice([0.0, rng.uniform(0.03, 0.14)]),
        unsteady=rng.uniform(0.01, 0.05),
        sink=rng.uniform(0.0, 0.07),
    )
    path = ground_path(at, speed * (1 + drift(rng, at, 0.2, 5.0, 1.5)), _bending(rng, at, rng.uniform(0.0, 0.6)))
    movement = _walk(rng, times, path, gait, swing=rng.uniform(0.05, 0.4), elbow=rng.uniform(0.1, 0.7))
    lurch = rng.choice([0.0, rng.uniform(0.05, 0.2)]) if gait.limp else 0.0
    lean_forwards(movement.poses, stoop, lurch * np.sin(np.pi * _swing_like(movement)))
    turn_head(movement.poses, rng.uniform(-0.5, 0.6) * stoop, 0.0)
    return movement


def _swing_like(movement: Movement) -> Array:
    """Return which foot is ahead, from −1 to 1 [T], from the ankles."""
    return np.clip((movement.poses[:, 30] - movement.poses[:, 27]) / 0.5, -1, 1)


def any_direction(rng: Rng, times: Array) -> Movement:
    """Walk backwards, sideways, diagonally or in circles, looking elsewhere."""
    at = grid(times)
    speed, to = rng.uniform(0.5, 1.3), rng.uniform(-np.pi, np.pi)
    if rng.random() < 0.5:
        to = rng.choice([np.pi, np.pi / 2, -np.pi / 2]) + rng.normal(0, 0.15)
    heading = _bending(rng, at, rng.uniform(0.0, 0.8))
    if rng.random() < 0.3:
        heading = heading + rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.9) * (at - at[0])
    aside = speed * np.sin(to)
    gait = Gait(
        cadence=rng.uniform(0.7, 1.15),
        duty=rng.uniform(0.6, 0.7),
        width=rng.uniform(0.07, 0.13) + 0.12 * abs(aside),
        lift=rng.uniform(0.03, 0.1),
        heel=0.08,
        unsteady=0.02,
        sink=rng.uniform(0.0, 0.04),
    )
    movement = _walk(rng, times, ground_path(at, speed * np.cos(to), heading, aside), gait, swing=rng.uniform(0.1, 0.4))
    lean_forwards(movement.poses, rng.normal(0.05, 0.08))
    return movement


def stop_and_go(rng: Rng, times: Array) -> Movement:
    """Walk, stand and walk on, as in front of shop windows, in a queue or at the kerb; turn while standing."""
    at = grid(times)
    speed, pace, now = rng.uniform(0.6, 1.7), np.zeros_like(at), at[0]
    starts = []
    while now < at[-1]:
        walks, stands = rng.uniform(1.2, 5.0), rng.uniform(0.8, 4.0)
        pace += speed * (smoothstep(at, now, 0.7) - smoothstep(at, now + walks, rng.uniform(0.5, 1.0)))
        now += walks + 1.0 + stands
        starts.append(now)
    heading = drift(rng, at, 0.3, 12.0, 5.0)
    for start in starts:
        heading = heading + rng.uniform(-1.2, 1.2) * smoothstep(at, start - 0.8, 1.0)
    gait = Gait(
        cadence=float(np.sqrt(speed / 1.7) * rng.uniform(0.85, 1.15)),
        width=rng.uniform(0.05, 0.12),
        lift=rng.uniform(0.04, 0.09),
        reluctance=0.1,
        unsteady=0.008,
    )
    movement = _walk(rng, times, ground_path(at, pace, heading), gait, swing=rng.uniform(0.2, 0.7))
    return label_by_speed(movement, np.interp(times, at, pace))


def label_by_speed(movement: Movement, pace: Array) -> Movement:
    """Label and tag a movement by the body's speed [T]: walking, standing, unsure in between."""
    labels: NDArray[np.int64] = np.full(len(pace), UNSURE)
    labels[pace < _STANDS] = ACTION_INDEX["stand"]
    labels[pace > _WALKS] = ACTION_INDEX["walk"]
    moves = np.clip((pace - _STANDS) / (_WALKS - _STANDS), 0, 1)
    movement.tags[:, TAG_INDEX["stand"]] = 1 - moves
    for name in ("step", "swing_l", "swing_r"):
        movement.tags[:, TAG_INDEX[name]] *= moves
    movement.labels = labels
    return movement


def parade(rng: Rng, times: Array) -> Movement:
    """March, stalk or prance: high knees, any step length, straight or widely swung arms, possibly on the spot."""
    at = grid(times)
    speed = rng.choice([0.0, rng.uniform(0.5, 1.9)], p=[0.15, 0.85])
    gait = Gait(
        cadence=rng.uniform(0.75, 1.1),
        duty=rng.uniform(0.55, 0.63),
        width=rng.uniform(0.05, 0.1),
        lift=rng.uniform(0.14, 0.36),
        heel=0.1,
        unsteady=0.005,
    )
    path = ground_path(at, max(speed, 0.35), _bending(rng, at, 0.4))
    walk = walk_along(rng, times, path, gait)
    swing_arms(rng, walk, rng.uniform(0.6, 1.2), rng.choice([0.1, 0.1, 1.2]))
    lean_forwards(walk.poses, rng.normal(-0.03, 0.06))
    return Movement(walk.poses, tags_of(len(times), "step", "swing"), "walk")


def pottering(rng: Rng, times: Array) -> Movement:
    """Take a few steps at a time with busy hands, as in a kitchen, shop or workshop."""
    at = grid(times)
    pace, aside = drift(rng, at, 0.9, 3.0, 1.5), drift(rng, at, 0.6, 3.0, 1.5)
    heading = steps(rng, at, 1.6, (0.5, 2.5), (0.5, 1.2))
    gait = Gait(rng.uniform(0.75, 1.1), rng.uniform(0.62, 0.7), rng.uniform(0.07, 0.13), reluctance=0.1)
    walk = walk_along(rng, times, ground_path(at, pace, heading, aside), gait)
    movement = Movement(walk.poses, tags_of(len(times), "step"), "walk")
    arms_at_rest(rng, movement, times)
    busy_hands(rng, movement, times)
    look_around(rng, movement.poses, times)
    turns = np.gradient(heading, at) * 0.2
    return label_by_speed(movement, np.interp(times, at, np.sqrt(pace**2 + aside**2 + turns**2)))


def ground_run(rng: Rng, times: Array) -> Movement:
    """Jog to sprint: the body flies between steps and leans into turns."""
    at = grid(times)
    speed = rng.uniform(2.2, 6.0)
    cadence = float(rng.uniform(1.2, 1.45) + 0.06 * speed)
    gait = Gait(
        cadence=cadence,
        duty=float(np.clip(0.47 - 0.035 * speed, 0.28, 0.42)),
        width=rng.uniform(0.02, 0.08),
        lift=rng.uniform(0.08, 0.2),
        heel=rng.uniform(0.2, 0.5),
        sink=rng.uniform(0.03, 0.08),
        bounce=True,
    )
    heading = _bending(rng, at, rng.uniform(0.0, 1.0))
    walk = walk_along(rng, times, ground_path(at, speed * (1 + drift(rng, at, 0.08, 6.0, 3.0)), heading), gait)
    swing_arms(rng, walk, rng.uniform(0.35, 0.7), rng.uniform(1.0, 1.8), spread=rng.uniform(0.1, 0.4))
    turning = np.interp(times, at, np.gradient(heading, at))
    lean_forwards(walk.poses, rng.uniform(0.03, 0.12) + 0.025 * speed, -0.12 * turning)
    return Movement(walk.poses, tags_of(len(times), "step", "swing"), "run")


def running_drill(rng: Rng, times: Array) -> Movement:
    """Run with high knees, heels to the seat or quick feet, on the spot or slowly in any direction."""
    at = grid(times)
    speed, to = rng.uniform(0.3, 1.6), rng.choice([0.0, 0.0, np.pi, np.pi / 2])
    kind = rng.choice(["knees", "heels", "quick"])
    gait = Gait(
        cadence=rng.uniform(1.4, 2.0),
        duty=rng.uniform(0.36, 0.44),
        width=0.08 + 0.05 * abs(np.sin(to)),
        lift={"knees": 0.4, "heels": 0.06, "quick": 0.1}[kind] * rng.uniform(0.8, 1.2),
        sink=rng.uniform(0.03, 0.08),
        heel=0.1,
        bounce=True,
    )
    walk = walk_along(rng, times, ground_path(at, speed * np.cos(to), drift(rng, at, 0.2), speed * np.sin(to)), gait)
    if kind == "knees" or kind == "heels":
        for side in (0, 1):
            up = np.sin(np.pi * walk.swing[:, side])
            columns = 27 + 3 * side
            if kind == "knees":
                walk.poses[:, columns] += 0.2 * up
                walk.poses[:, columns + 1] += 0.15 * up
            else:
                walk.poses[:, columns] -= rng.uniform(0.3, 0.4) * up
                walk.poses[:, columns + 1] += rng.uniform(0.4, 0.5) * up
    swing_arms(rng, walk, rng.uniform(0.4, 1.2), rng.uniform(1.2, 1.8))
    lean_forwards(walk.poses, rng.uniform(0.0, 0.15))
    return Movement(walk.poses, tags_of(len(times), "step", "swing"), "run")


STYLES: tuple[Style, ...] = (
    Style("walk", "street", street_walk, 2.2, source="footfalls"),
    Style("walk", "impaired", impaired_walk, 0.8, source="footfalls"),
    Style("walk", "any_way", any_direction, 0.6, source="footfalls"),
    Style("walk", "stop_and_go", stop_and_go, 0.8, source="footfalls"),
    Style("walk", "pottering", pottering, 0.4, source="footfalls"),
    Style("walk", "parade", parade, 0.3, source="footfalls"),
    Style("run", "ground", ground_run, 1.4, source="footfalls"),
    Style("run", "drill", running_drill, 0.5, source="footfalls"),
)
