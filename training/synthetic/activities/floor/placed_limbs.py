"""Lying, sitting, crouching and squatting, from the places at which hands and feet rest.

Each style is a function (rng, times [T]) → `Movement`. The body is laid, seated or lowered first; then feet and hands
are put on the floor, a rung or the body. Lengths are leg lengths.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.floor.exercising import repeats
from training.synthetic.activities.mechanics.contact import (
    ARM,
    FLOOR,
    HAND,
    PRONE,
    SUPINE,
    keep_above_floor,
    pitched,
    put_foot,
    put_hand,
    rest_on_floor,
    shoulder,
)
from training.synthetic.activities.mechanics.footfalls import bend_arm
from training.synthetic.motion.motion import ROOT, Array, axis_rotation, quaternion_multiply
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
    steps,
    tags_of,
    turn_chest,
    turn_head,
)


def laid_out(rng: Rng, times: Array) -> Movement:
    """Lie on the back, face or side, or in between, rolling a little; limbs spread, stretched or curled."""
    base = str(rng.choice(["back", "back", "side", "side", "face"]))
    prone = base == "face"
    lean = rng.uniform(0.9, 1.6) * rng.choice([-1.0, 1.0]) if base == "side" else rng.normal(0, 0.12)
    roll = lean + steps(rng, times, rng.choice([0.03, 0.3]), (1.5, 6.0), (0.6, 1.6))
    curl = rng.uniform(0.0, 0.8) if base == "side" else rng.uniform(-0.05, 0.15)
    poses = pitched(times, 0.05, PRONE if prone else SUPINE, curl)
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(1, roll))
    rest_on_floor(poses)
    down = -1.0 if prone else 1.0  # direction of the feet along x
    tilt = float(np.sin(lean)) * (1.0 if base == "side" else 0.0)
    drawn = rng.uniform(0.35, 0.95) if rng.random() < 0.5 else rng.uniform(0.85, 0.985)
    for side, sign in ((0, -1.0), (1, 1.0)):
        long = np.clip(drawn + rng.choice([0.0, rng.normal(0, 0.25)]), 0.3, 0.985)
        out = 0.125 + rng.uniform(-0.05, 0.45) * np.sqrt(max(1 - long**2, 0.03)) + rng.choice([0.0, 0.15])
        fidget = np.stack([drift(rng, times, 0.012), 0 * times, drift(rng, times, 0.012)], -1)
        if base == "side":
            # Thighs in front of the body, one leg on the other or behind it.
            ahead = np.sign(tilt) * -1.0 * np.sqrt(max(0.97 - long**2, 0.0)) * rng.uniform(0.3, 0.7)
            upper = 0.1 if sign * tilt < 0 else 0.0
            place = np.array([down * long * 0.9, 0.0, ahead]) + poses[:, :3] * [1.0, 0.0, 1.0]
            place[:, 1] = FLOOR + 0.06 + upper
            put_foot(poses, side, place + fidget, (0.3, 0.1, -np.sign(tilt) * sign))
        else:
            place = np.array([down * long, 0.0, sign * out * down * down]) + poses[:, :3] * [1.0, 0.0, 1.0]
            place[:, 1] = FLOOR + 0.06
            flat = rng.choice([1.0, 1.0, 0.1]) if not prone else -0.02
            put_foot(poses, side, place + fidget, (0.3 * down if prone else -0.2, flat, 0.6 if prone else 0.3))
    for side, sign in ((0, -1.0), (1, 1.0)):
        where = str(rng.choice(["floor", "floor", "belly", "face"])) if not prone else "floor"
        if where == "floor":
            # Around the shoulder: beside the hip, out, above the head.
            angle, far = rng.uniform(-0.1, 2.9), rng.uniform(0.45, 0.97) * ARM
            place = shoulder(poses, side) + far * np.array(
                [down * np.cos(angle), 0.0, sign * (abs(np.sin(angle)) + 0.1)]
            )
            place[:, 1] = HAND
            put_hand(poses, side, place, (0.3 * down, 0.1, 1.0))
        elif where == "belly":
            bend_arm(poses, side, rng.uniform(0.0, 0.4), 0.2, rng.uniform(1.0, 1.6), 1.0)
        else:
            bend_arm(poses, side, rng.uniform(0.5, 1.4), 0.4, rng.uniform(1.8, 2.3), 0.6)
    turn_head(poses, rng.uniform(-0.1, 0.4), steps(rng, times, 0.8, (1.0, 6.0), (0.4, 0.9)))
    rest_on_floor(poses)
    return Movement(poses, tags_of(len(times), "lie"), "lie")


def _seated(rng: Rng, times: Array, height: float, trunk: float) -> Movement:
    poses = pitched(times, height, rng.uniform(-0.35, 0.0) + 0.3 * trunk, trunk + drift(rng, times, 0.05))
    turn_chest(poses, steps(rng, times, 0.12, (2, 6), (0.5, 1.2)), drift(rng, times, 0.15), drift(rng, times, 0.05))
    return Movement(poses, tags_of(len(times), "sit"), "sit")


def seated_high(rng: Rng, times: Array) -> Movement:
    """Sit on benches, chairs, stools, tables or walls; feet flat, on a rung, dangling or crossed."""
    height = rng.uniform(0.36, 0.88)
    movement = _seated(rng, times, height, rng.choice([rng.uniform(-0.15, 0.3), rng.uniform(0.3, 0.9)]))
    rung = max(height - rng.uniform(0.42, 0.6), 0.0)
    swings = rng.choice([0.0, 0.06]) * (rung > 0)
    apart = rng.uniform(0.02, 0.25)
    far = rng.uniform(0.25, 0.8) * np.sqrt(0.95 - (height - rung) ** 2)
    crossed = rng.random() < 0.2
    for side, sign in ((0, -1.0), (1, 1.0)):
        place = np.array([far + rng.normal(0, 0.06), rung, sign * (apart if not crossed else -0.04)])
        if crossed and side == 0 and rng.random() < 0.6:
            place[1] += 0.22
        wave = swings * np.sin(2 * np.pi * times * rng.uniform(0.5, 1.2) + 2 * side)
        point = place + np.stack([wave + drift(rng, times, 0.02), 0 * wave, drift(rng, times, 0.02)], -1)
        put_foot(movement.poses, side, point, (0.7, 1.0, rng.uniform(-0.1, 0.35)))
    look_around(rng, movement.poses, times)
    arms_at_rest(rng, movement, times, sitting=True)
    if rng.random() < 0.15:
        busy_hands(rng, movement, times)
    movement.hide_legs = rng.random() < 0.2
    return movement


def seated_low(rng: Rng, times: Array) -> Movement:
    """Sit on the ground: legs crossed, stretched, to one side or drawn up; hands behind, or hugging the knees."""
    kind = str(rng.choice(["crossed", "stretched", "knees_up", "one_up", "aside"]))
    movement = _seated(rng, times, 0.04, rng.uniform(0.0, 0.6))
    poses = movement.poses
    up = int(rng.integers(2))
    for side, sign in ((0, -1.0), (1, 1.0)):
        out = sign * (0.125 + rng.uniform(0.0, 0.3))
        place, knee = {
            "crossed": ((rng.uniform(0.3, 0.42), -0.02, -sign * 0.12), (0.5, 0.35, 1.0)),
            "stretched": ((rng.uniform(0.85, 0.97), -0.02, out), (0.0, 1.0, 0.2)),
            "knees_up": ((rng.uniform(0.3, 0.65), 0.0, 0.7 * out), (0.3, 1.0, 0.15)),
            "one_up": ((0.45, 0.0, out) if side == up else (0.9, -0.02, out), (0.3, 1.0, 0.2)),
            "aside": ((0.15, -0.02, 0.5 + 0.1 * side), (1.0, 0.2, 0.6 if side else -0.6)),
        }[kind]
        put_foot(poses, side, np.array(place) + np.stack([drift(rng, times, 0.015)] * 3, -1) * [1, 0, 1], knee)
    look_around(rng, poses, times)
    arms = str(rng.choice(["rest", "rest", "behind", "hug"]))
    if arms == "rest":
        arms_at_rest(rng, movement, times, sitting=True)
    for side, sign in ((0, -1.0), (1, 1.0)):
        if arms == "behind":
            place = np.array([-rng.uniform(0.25, 0.45), HAND, sign * rng.uniform(0.2, 0.4)])
            put_hand(poses, side, place + poses[:, :3] * [1, 0, 1], (-1.0, 0.2, 0.5))
        elif arms == "hug":
            bend_arm(poses, side, rng.uniform(0.9, 1.2), 0.15, 0.7, 0.7)
    if arms == "behind":
        turn_chest(poses, -0.35)
    keep_above_floor(poses)
    return movement


def down_on_feet_or_knees(rng: Rng, times: Array) -> Movement:
    """Crouch on heels, toes or one or both knees, low or half up, working at something or waiting."""
    kind = str(rng.choice(["feet", "feet", "half_knee", "knees", "heels"]))
    height = {"feet": rng.uniform(0.2, 0.6), "half_knee": rng.uniform(0.4, 0.52), "knees": 0.44, "heels": 0.2}[kind]
    trunk = rng.uniform(0.0, 0.9)
    level = height + steps(rng, times, 0.04 if kind == "feet" else 0.005, (1.0, 4.0), (0.4, 1.0))
    poses = pitched(times, level, 0.5 * trunk, 0.5 * trunk + drift(rng, times, 0.06))
    heel = rng.choice([0.0, 0.1])
    back = -0.3 * (1 - height) + rng.uniform(-0.05, 0.1)
    down = int(rng.integers(2))
    for side, sign in ((0, -1.0), (1, 1.0)):
        apart = sign * rng.uniform(0.1, 0.3)
        if kind == "feet" or (kind == "half_knee" and side != down):
            ahead = -back + rng.normal(0, 0.08) + (0.2 if kind == "half_knee" else 0.0)
            put_foot(poses, side, np.array([ahead, heel * (kind == "feet"), apart]), (1.0, 0.4, rng.uniform(0.1, 0.8)))
        else:
            behind = 0.42 if kind != "heels" else 0.1
            put_foot(
                poses, side, np.array([-behind, -0.02, 0.7 * apart]), (1.0, -0.4 if kind != "heels" else 0.0, 0.15)
            )
    turn_head(
        poses, rng.uniform(-0.8, 0.3) * trunk + rng.normal(0, 0.15), steps(rng, times, 0.5, (0.6, 3.0), (0.3, 0.7))
    )
    movement = Movement(poses, tags_of(len(times), "crouch"), "crouch")
    work = rng.random()
    if work < 0.4:
        for side in (0, 1):
            reach = rng.uniform(0.3, 1.2) + drift(rng, times, 0.25, 3.0, 0.7)
            bend_arm(
                poses, side, reach, 0.1, np.maximum(rng.uniform(0.2, 1.2) + drift(rng, times, 0.3, 3.0, 0.7), 0.1), 0.3
            )
    elif work < 0.7:
        arms_at_rest(rng, movement, times, sitting=True)
    else:
        for side in (0, 1):
            place_arm(rng, movement, side, str(rng.choice(["lap", "hang", "clasped", "chin", "phone_front"])), times)
    keep_above_floor(poses)
    return movement


def planted_squats(rng: Rng, times: Array) -> Movement:
    """Squat at all depths and tempi on planted feet, with the seat back and the trunk forwards for balance.

    The hands are in front of the chest, overhead, crossed, at the head or stretched ahead. Some pulse at the bottom.
    """
    deep = rng.uniform(0.4, 0.75)
    if rng.random() < 0.25:
        down = deep * (0.75 + 0.25 * np.sin(2 * np.pi * times * rng.uniform(0.8, 1.8)))
    else:
        down = deep * repeats(rng, times, (0.25, 0.9))
    apart, toes_out = rng.uniform(0.1, 0.26), rng.uniform(0.1, 0.7)
    balance = rng.uniform(0.9, 1.5)
    poses = pitched(times, 0.985 - down, 0.75 * balance * down, 0.35 * balance * down)
    poses[:, 0] = -0.42 * down
    poses[:, 2] = drift(rng, times, 0.01)
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([0.0, 0.0, sign * apart]), (1.0, 0.1, toes_out))
    turn_head(poses, -0.7 * down, drift(rng, times, 0.1))
    movement = Movement(poses, tags_of(len(times)), "squat")
    movement.tags[:, TAG_INDEX["crouch"]] = down > 0.35
    movement.tags[:, TAG_INDEX["stand"]] = down < 0.06
    kind = str(rng.choice(["goblet", "overhead", "crossed", "head", "ahead", "swing", "hips"]))
    for side in (0, 1):
        if kind == "overhead":
            bend_arm(poses, side, 2.9 + 0.6 * down, rng.uniform(0.15, 0.5), 0.1)
        elif kind == "ahead":
            bend_arm(poses, side, 1.5 + 0.7 * down, 0.05, 0.1)
        elif kind == "swing":
            bend_arm(poses, side, 0.1 + 2.2 * down / deep * 0.7, 0.1, 0.3)
        else:
            names = {"goblet": "praying", "crossed": "folded", "head": "head", "hips": "hip"}
            place_arm(rng, movement, side, names[kind], times)
    return movement


STYLES: tuple[Style, ...] = (
    Style("lie", "laid_out", laid_out, 3.0),
    Style("sit", "high", seated_high, 2.5, source="put in place"),
    Style("sit", "low", seated_low, 1.5, source="put in place"),
    Style("crouch", "feet_or_knees", down_on_feet_or_knees, 2.5),
    Style("squat", "planted", planted_squats, 1.8),
)
