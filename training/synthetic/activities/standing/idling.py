"""Standing on planted feet: shifting weight, turning, leaning, rocking, stamping.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.footfalls import Gait, GroundPath, grid, lean_forwards, plant, walk_along
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import (
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
    talk,
    turn_chest,
    turn_head,
    upright,
)


def _arms(rng: Rng, movement: Movement, times: Array, busy: float = 0.15) -> None:
    if rng.random() < 0.4:
        for side in (0, 1):
            place_arm(rng, movement, side, str(rng.choice(["hang", "hang", "hang_loose"])), times)
    else:
        arms_at_rest(rng, movement, times)
    if rng.random() < busy:
        busy_hands(rng, movement, times)


def _stand_planted(
    rng: Rng, times: Array, shift: Array, heading: Array, *, apart: float, sink: Array | float = 0.0
) -> Movement:
    """Stand on planted feet, each `apart` from their midpoint.

    The pelvis is displaced from the midpoint by `shift` [T, 2] (forwards, to the right) and turned to `heading` [T].
    """
    poses, feet = upright(times), np.zeros((len(times), 2, 3))
    stagger = rng.normal(0, 0.08)
    for side, sign in ((0, -1.0), (1, 1.0)):
        feet[:, side] = (sign * stagger, 0.0, sign * apart)
    poses[:, 0], poses[:, 2] = shift[:, 0], shift[:, 1]
    plant(poses, feet, heading, np.zeros((len(times), 2)), sink=sink, turned=0.05, roll=0.5 * shift[:, 1])
    turn_chest(poses, rng.normal(0.03, 0.06) + drift(rng, times, 0.03), drift(rng, times, 0.1), -0.6 * shift[:, 1])
    return Movement(poses, tags_of(len(times), "stand"), "stand")


def weight_shifting(rng: Rng, times: Array) -> Movement:
    """Shift the weight from leg to leg; in between, one knee is bent and the hip drops."""
    apart = rng.uniform(0.06, 0.22)
    aside = np.clip(steps(rng, times, rng.uniform(0.3, 1.0) * apart * 1.6, (0.8, 6.0), (0.4, 1.4)), -apart, apart)
    shift = np.stack([drift(rng, times, 0.015), aside + drift(rng, times, 0.01)], -1)
    movement = _stand_planted(rng, times, shift, drift(rng, times, 0.05), apart=apart, sink=rng.uniform(0.0, 0.02))
    look_around(rng, movement.poses, times)
    _arms(rng, movement, times)
    return movement


def adjusting_steps(rng: Rng, times: Array) -> Movement:
    """Step to the side, back, or half around, as people do who wait or talk, and stay at one place."""
    at = grid(times)
    spot = np.stack(
        [steps(rng, at, 0.2, (1.0, 4.0), (0.4, 1.2)), 0 * at, steps(rng, at, 0.25, (1.0, 4.0), (0.4, 1.2))], -1
    )
    turns = rng.choice([0.1, 0.5, 1.5])
    path = GroundPath(
        at, spot + drift(rng, at, 0.03)[:, None] * [1.0, 0.0, 1.0], steps(rng, at, turns, (1.0, 5.0), (0.6, 1.6))
    )
    gait = Gait(
        rng.uniform(0.7, 1.1), rng.uniform(0.55, 0.7), rng.uniform(0.06, 0.18), rng.uniform(0.03, 0.1), 0.1,
        reluctance=rng.uniform(0.07, 0.16), unsteady=0.01, sink=rng.uniform(0.0, 0.02),
    )  # fmt: skip
    movement = Movement(walk_along(rng, times, path, gait).poses, tags_of(len(times), "stand"), "stand")
    turn_chest(movement.poses, rng.normal(0.03, 0.06), drift(rng, times, 0.15))
    look_around(rng, movement.poses, times)
    _arms(rng, movement, times)
    if rng.random() < 0.3:
        talk(rng, movement, times)
    return movement


def turning_about(rng: Rng, times: Array) -> Movement:
    """Turn on the spot with small steps, to either side or all the way round."""
    at = grid(times)
    heading = steps(rng, at, rng.uniform(0.8, 3.0), (0.5, 3.0), (0.8, 2.5))
    path = GroundPath(at, np.zeros((len(at), 3)) + drift(rng, at, 0.04)[:, None] * [1.0, 0.0, -0.7], heading)
    gait = Gait(rng.uniform(0.8, 1.3), 0.6, rng.uniform(0.07, 0.14), rng.uniform(0.04, 0.1), 0.05, reluctance=0.05)
    movement = Movement(walk_along(rng, times, path, gait).poses, tags_of(len(times), "stand"), "stand")
    ahead = np.clip(np.interp(times + 0.25, at, heading) - np.interp(times, at, heading), -0.7, 0.7)
    turn_head(movement.poses, drift(rng, times, 0.15), ahead)
    _arms(rng, movement, times)
    return movement


def rocking(rng: Rng, times: Array) -> Movement:
    """Rock from heel to toe, from side to side, or in the knees, as with a child in the arms or to music."""
    pace, kind = 2 * np.pi * rng.uniform(0.3, 1.1), rng.choice(["along", "across", "knees", "twist"])
    on = np.clip(0.5 + steps(rng, times, 0.8, (2.0, 5.0), (0.5, 1.5)), 0, 1)
    wave = np.sin(pace * times + drift(rng, times, 0.5) + rng.uniform(0, 6.28)) * on
    apart = rng.uniform(0.06, 0.2)
    shift = np.stack([0.05 * wave * (kind == "along"), 0.7 * apart * wave * (kind == "across")], -1)
    sink = 0.02 + (0.04 + 0.04 * wave) * (kind == "knees")
    movement = _stand_planted(rng, times, shift, 0.25 * wave * (kind == "twist"), apart=apart, sink=sink)
    look_around(rng, movement.poses, times)
    if rng.random() < 0.3:
        for side in (0, 1):
            place_arm(rng, movement, side, "folded", times)
    else:
        _arms(rng, movement, times)
    return movement


def leaning(rng: Rng, times: Array) -> Movement:
    """Lean with the back, a side or the forearms against a wall, rail or counter, feet away from it, often crossed."""
    away, kind = rng.uniform(0.08, 0.3), rng.choice(["back", "side", "front"])
    still = np.stack([drift(rng, times, 0.006), drift(rng, times, 0.006)], -1)
    towards = {"back": (-away, 0.0), "side": (0.0, away), "front": (-0.5 * away, 0.0)}[kind]
    movement = _stand_planted(rng, times, still + towards, drift(rng, times, 0.03), apart=rng.uniform(0.04, 0.14))
    lean = {"back": (-0.15, 0.0), "side": (0.05, 0.7 * away), "front": (rng.uniform(0.3, 0.8), 0.0)}[kind]
    lean_forwards(movement.poses, *lean)
    if kind == "back" and rng.random() < 0.35:  # one foot up against the wall
        side = int(rng.integers(2))
        movement.poses[:, 27 + 3 * side : 30 + 3 * side] = (-0.12 + 0.5 * away, -rng.uniform(0.6, 0.8), 0.02)
    look_around(rng, movement.poses, times)
    if kind == "front":
        turn_head(movement.poses, -0.5 * lean[0], 0.0)
        for side in (0, 1):
            place_arm(rng, movement, side, "table", times)
    else:
        arms_at_rest(rng, movement, times)
    return movement


def small_bows(rng: Rng, times: Array) -> Movement:
    """Bow, peer at something, or look down or up now and then, and straighten again."""
    shift = np.stack([drift(rng, times, 0.01), drift(rng, times, 0.02)], -1)
    movement = _stand_planted(rng, times, shift, drift(rng, times, 0.08), apart=rng.uniform(0.07, 0.2))
    bow, at = np.zeros_like(times), times[0] - rng.uniform(0.0, 2.0)
    while at < times[-1]:
        duration = rng.uniform(0.4, 2.5)
        bow += rng.uniform(-0.2, 0.6) * smoothstep(times, at, 0.6) * (1 - smoothstep(times, at + duration, 0.7))
        at += duration + rng.uniform(0.8, 3.0)
    movement.poses[:, 0] -= 0.12 * bow
    for side in (0, 1):
        movement.poses[:, 27 + 3 * side] += 0.12 * bow
    turn_chest(movement.poses, bow, drift(rng, times, 0.15))
    turn_head(movement.poses, 0.4 * bow, drift(rng, times, 0.4))
    _arms(rng, movement, times, 0.4)
    return movement


def stamping(rng: Rng, times: Array) -> Movement:
    """Stamp on the spot, foot by foot; each foot comes down at its place."""
    movement = _stand_planted(
        rng, times, np.zeros((len(times), 2)), drift(rng, times, 0.15), apart=rng.uniform(0.07, 0.14)
    )
    pace, lift = rng.uniform(0.7, 1.4), rng.uniform(0.03, 0.1)
    on = np.clip(0.4 + steps(rng, times, 0.9, (1.0, 3.0), (0.3, 0.6)), 0, 1)
    clock = pace * times + drift(rng, times, 0.1) + rng.random()
    for side in (0, 1):
        up = on * np.maximum(np.sin(2 * np.pi * (clock + 0.5 * side)), 0)
        movement.poses[:, 28 + 3 * side] += lift * up
        movement.poses[:, 27 + 3 * side] -= rng.uniform(-0.3, 0.3) * lift * up
        movement.poses[:, 2] += (0.035 if side == 0 else -0.035) * up
        for foot in (0, 1):
            movement.poses[:, 29 + 3 * foot] -= (0.035 if side == 0 else -0.035) * up
    look_around(rng, movement.poses, times)
    _arms(rng, movement, times, 0.4)
    return movement


STYLES: tuple[Style, ...] = (
    Style("stand", "weight_shifting", weight_shifting, 1.6, source="planted"),
    Style("stand", "adjusting_steps", adjusting_steps, 2.2, source="planted"),
    Style("stand", "turning_about", turning_about, 0.8, source="planted"),
    Style("stand", "rocking", rocking, 0.7, source="planted"),
    Style("stand", "leaning", leaning, 0.8, source="planted"),
    Style("stand", "bending_a_little", small_bows, 0.9, source="planted"),
    Style("stand", "stamping", stamping, 0.5, source="planted"),
)
