"""Kicks from the hip: the knee is drawn up, the shin whips through, and the body leans away.

Each style is a function (rng, times [T]) → `Movement`. A kick is described by the leg's height, sideways angle and
length; it comes after a step or run-up, or from standing.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import eased, hip
from training.synthetic.activities.mechanics.footfalls import Gait, GroundPath, bend_arm, grid, ground_path, walk_along
from training.synthetic.motion.motion import (
    ANKLES,
    KNEES,
    ROOT,
    Array,
    axis_rotation,
    conjugate,
    quaternion_multiply,
    rotate,
)
from training.synthetic.motion.movement import (
    ACTION_INDEX,
    TAG_INDEX,
    UNSURE,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    drift,
    look_around,
    place_arm,
    smoothstep,
    tags_of,
    turn_chest,
)

# For each kick, at the chamber, at the hit and after it: how far the leg is raised forwards (radians from hanging), how
# far it is out to its side, and its length (1: straight). Then the trunk's lean (back, to the other side) and the
# pelvis's turn.
_KICKS: dict[str, tuple[tuple[tuple[float, float, float], ...], tuple[float, float, float]]] = {
    "front": (((1.2, 0.0, 0.6), (1.5, 0.0, 0.98), (0.9, 0.0, 0.65)), (0.35, 0.0, 0.3)),
    "push": (((1.5, 0.1, 0.5), (1.45, 0.0, 0.97), (1.1, 0.1, 0.6)), (0.4, 0.0, 0.1)),
    "round": (((0.5, 1.0, 0.62), (1.35, 0.35, 0.97), (0.9, 0.2, 0.65)), (0.15, 0.5, 1.1)),
    "side": (((1.0, 0.6, 0.55), (0.15, 1.45, 0.98), (0.7, 0.5, 0.6)), (0.0, 0.8, 0.2)),
    "back": (((0.7, 0.0, 0.6), (-1.2, 0.15, 0.97), (0.2, 0.1, 0.75)), (-0.9, 0.0, 0.0)),
    "low": (((-0.3, 0.3, 0.8), (0.65, 0.1, 0.98), (0.2, 0.0, 0.95)), (0.15, 0.1, 0.5)),
    "shoot": (((-0.9, 0.15, 0.75), (0.75, 0.0, 0.98), (1.2, -0.2, 0.95)), (0.15, 0.15, 0.5)),
    "pass": (((-0.35, 0.15, 0.92), (0.45, 0.05, 0.95), (0.55, 0.05, 0.94)), (0.05, 0.1, 0.3)),
    "crescent": (((0.6, -0.4, 0.95), (1.5, 0.2, 0.97), (0.6, 0.9, 0.95)), (0.25, 0.0, 0.2)),
}


def _swing_leg(
    rng: Rng, movement: Movement, times: Array, side: int, start: float, name: str, free: Array | float = 1.0
) -> float:
    """Kick once with one leg from `start`, in place; return when the foot is down again."""
    keys, (back, aside, turn) = _KICKS[name]
    size = rng.uniform(0.65, 1.15) if name != "pass" else rng.uniform(0.8, 1.2)
    draw, hit, follow, down = (
        rng.uniform(0.18, 0.4),
        rng.uniform(0.1, 0.2),
        rng.uniform(0.1, 0.25),
        rng.uniform(0.2, 0.45),
    )
    instants = tuple(start + np.cumsum([0.0, draw, hit, follow, down]))
    raised, out, length = (
        eased(times, instants, (rest, *(key[one] for key in keys), rest)) for one, rest in enumerate((0.0, 0.08, 0.985))
    )
    raised, out = raised * size, out * (1.0 + 0.15 * rng.normal())
    on = eased(times, instants, (0.0, 1.0, 1.0, 1.0, 0.0)) * free
    sign = 1.0 if side else -1.0
    ankle = (
        np.stack([np.sin(raised) * np.cos(out), -np.cos(raised) * np.cos(out), sign * np.sin(out)], -1)
        * length[:, None]
    )
    columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
    poses = movement.poses
    poses[:, columns] += on[:, None] * (ankle - poses[:, columns])
    knees = slice(KNEES.start + 3 * side, KNEES.start + 3 * side + 3)
    pole = np.stack([np.cos(raised), np.sin(raised), sign * (0.1 + 0.8 * np.sin(out))], -1)
    poses[:, knees] += on[:, None] * (pole - poses[:, knees])
    hits = eased(times, instants, (0.0, 0.4, 1.0, 0.7, 0.0)) * free
    # The pelvis opens towards the supporting leg and leans away; the supporting leg stays where it is.
    yaw, lean = sign * turn * hits, back * 0.5 * hits * size
    other = 1 - side
    stays = hip(poses, other) + rotate(poses[:, ROOT], poses[:, ANKLES].reshape(-1, 2, 3)[:, other])
    tilt = quaternion_multiply(axis_rotation(2, lean), axis_rotation(0, -sign * aside * 0.6 * hits * size))
    opens = quaternion_multiply(axis_rotation(1, yaw), tilt)
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], opens)
    columns = slice(ANKLES.start + 3 * other, ANKLES.start + 3 * other + 3)
    poses[:, columns] = rotate(conjugate(poses[:, ROOT]), stays - hip(poses, other))
    turn_chest(poses, -0.5 * lean, -0.6 * yaw, -sign * aside * 0.2 * hits)
    act = (times > instants[0] + 0.3 * draw) & (times < instants[3] + 0.7 * down) & (np.asarray(free) > 0.5)
    index = TAG_INDEX["kick_l"] + side
    movement.tags[:, index] = np.maximum(movement.tags[:, index], act)
    movement.tags[act, TAG_INDEX["stand"]] = 0.0
    movement.tags[act, TAG_INDEX["step"]] = 0.0
    for arm in (0, 1):  # arms balance: the other one comes forwards
        swing = (0.8 if arm != side else -0.7) * hits
        if movement.tags[:, TAG_INDEX["hold_l"] + arm].max() == 0:
            bend_arm(poses, arm, 0.1 + swing, 0.2 + 0.5 * hits, 0.5, 0.1, 0.8 * hits * rng.uniform(0.2, 1.0))
    return instants[-1]


def standing_kicks(rng: Rng, times: Array) -> Movement:
    """Kick repeatedly from one place: fighting, practising, stretching a leg at a wall."""
    at = grid(times)
    spot = np.stack([drift(rng, at, 0.05), 0 * at, drift(rng, at, 0.05)], -1)
    gait = Gait(rng.uniform(0.8, 1.2), width=rng.uniform(0.07, 0.14), reluctance=0.08)
    movement = Movement(
        walk_along(rng, times, GroundPath(at, spot, drift(rng, at, 0.4)), gait).poses,
        tags_of(len(times), "stand"),
        "kick",
    )
    if rng.random() < 0.5:
        for side in (0, 1):
            place_arm(rng, movement, side, "guard", times)
    else:
        arms_at_rest(rng, movement, times)
    look_around(rng, movement.poses, times)
    names = [str(name) for name in rng.choice(list(_KICKS), 2)]
    now, side = times[0] - rng.uniform(0.0, 1.0), int(rng.integers(2))
    while now < times[-1]:
        now = _swing_leg(rng, movement, times, side, now, names[int(rng.integers(2))]) + rng.uniform(0.1, 0.9)
        side = 1 - side if rng.random() < 0.4 else side
    return movement


def from_a_run_up(rng: Rng, times: Array) -> Movement:
    """Walk or run up, kick (a ball, a door, the air), and stand or walk on."""
    at = grid(times)
    runs = rng.random() < 0.5
    speed = rng.uniform(2.2, 3.6) if runs else rng.uniform(1.0, 1.8)
    lasts = 0.9
    kick_at = rng.uniform(times[0] + 0.2, max(times[-1] - 0.5, times[0] + 0.3))
    after = rng.choice([0.0, rng.uniform(0.6, 1.4)])
    pace = speed * (1 - smoothstep(at, kick_at - 0.5, 0.7)) + after * smoothstep(at, kick_at + lasts, 0.6)
    gait = Gait(
        float(np.sqrt(speed / 1.7)) if not runs else rng.uniform(1.3, 1.5), 0.6 if not runs else 0.45, 0.08, 0.1, 0.15,
        reluctance=0.08, sink=0.02,
    )  # fmt: skip
    walk = walk_along(rng, times, ground_path(at, pace, drift(rng, at, 0.15)), gait)
    movement = Movement(walk.poses, tags_of(len(times), "step", "swing"), "kick")
    for arm in (0, 1):
        swing = (1.0 if arm == 0 else -1.0) * 0.5 * walk.ahead
        bend_arm(walk.poses, arm, swing, 0.15, 1.3 if runs else 0.4)
    name = str(rng.choice(["shoot", "shoot", "pass", "low", "front", "round"]))
    side = int(rng.integers(2))
    end = _swing_leg(rng, movement, times, side, kick_at, name)
    now = np.interp(times, at, pace)
    kicks = movement.tags[:, TAG_INDEX["kick_l"] + side] > 0.5
    labels = np.full(len(times), UNSURE)
    labels[now > 0.5] = ACTION_INDEX["walk"]
    if runs:
        labels[(now > 0.5) & (times < kick_at)] = UNSURE
        labels[(now > 2.0) & (times < kick_at)] = ACTION_INDEX["run"]
    labels[(now < 0.15) & (times > end)] = ACTION_INDEX["stand"]
    labels[(times > kick_at - 0.2) & (times < end + 0.15)] = UNSURE
    labels[kicks] = ACTION_INDEX["kick"]
    movement.labels = labels
    movement.tags[:, TAG_INDEX["stand"]] = (now < 0.15) & ~kicks
    movement.tags[now < 0.15, TAG_INDEX["step"]] = 0.0
    return movement


STYLES: tuple[Style, ...] = (
    Style("kick", "standing", standing_kicks, 1.8, source="whip"),
    Style("kick", "run_up", from_a_run_up, 1.0, source="whip"),
)
