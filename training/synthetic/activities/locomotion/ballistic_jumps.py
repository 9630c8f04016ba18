"""Jumps from their physics: bodies in flight move on parabolas, and legs push off and absorb the landing.

Each style is a function (rng, times [T]) → `Movement`. Lengths are leg lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.activities.mechanics.contact import GRAVITY
from training.synthetic.activities.mechanics.footfalls import bend_arm, foot_path, lean_forwards, plant, raise_body
from training.synthetic.motion.motion import KNEES, ROOT, Array, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import (
    ACTION_INDEX,
    TAG_INDEX,
    UNSURE,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    drift,
    smoothstep,
    stand_on,
    tags_of,
    turn_chest,
    upright,
)

_REBOUND = 0.4
"""Seconds on the ground below which a jumper does not come to rest between two jumps."""
_TOES = 0.08
"""Height of an ankle on tiptoe above standing."""


@dataclass(frozen=True, slots=True)
class Flights:
    """Successive jumps, each field [T].

    `height` of the body above standing, negative where the legs bend; the `number` of the last jump; `air`, the flown
    share of it, 1 once landed; `gather` and `settle`, the progress of winding up for the next jump and of coming to
    rest; `act`, whether the instant belongs to a jump.
    """

    height: Array
    number: NDArray[np.intp]
    air: Array
    gather: Array
    settle: Array
    act: Array


def fly(times: Array, took_off: Array, airborne: Array, gather: float, settle: float) -> Flights:
    """Return jumps that leave the ground at `took_off` [J] for `airborne` [J] seconds; the first and last are outside
    `times`.

    The legs wind up for `gather` seconds and absorb for `settle`, both shorter if there is no time.
    """
    number = np.clip(np.searchsorted(took_off, times, side="right") - 1, 0, len(took_off) - 2)
    since, flown = times - took_off[number], airborne[number]
    air = np.clip(since / flown, 0.0, 1.0)
    gap = np.maximum(took_off[number + 1] - took_off[number] - flown, 1e-3)
    down = np.clip(since - flown, 0.0, gap)
    landing, leaving = GRAVITY * flown / 2, GRAVITY * airborne[number + 1] / 2
    # With time in between: come to rest, stand, wind up. Without: one push, first downwards, then upwards.
    settles, gathers = np.minimum(settle, gap / 2), np.minimum(gather, gap / 2)
    u = np.clip(down / settles, 0, 1)
    w = np.clip((down - gap + gathers) / gathers, 0, 1)
    rests = -landing * settles * u * (1 - u) ** 2 - leaving * gathers * w * w * (1 - w)
    x = down / gap
    rebounds = -landing * gap * x * (1 - x) ** 2 - leaving * gap * x * x * (1 - x)
    quick = gap < _REBOUND
    u, w = np.where(quick, x, u), np.where(quick, x, w)
    height = np.where(quick, rebounds, rests) + 0.5 * GRAVITY * flown**2 * air * (1 - air)
    act = (air < 1) | quick | (w > 0.4) | (u < 0.5)
    return Flights(height, number, air, w, u, act.astype(np.float64))


def jump(
    times: Array, flights: Flights, places: Array, heading: Array, *, tuck: Array | float = 0.0,
    carries: Array | None = None, knee: float = 0.02,
) -> Movement:  # fmt: skip
    """Return a body that jumps, with its feet (left, right) at `places` [J, 2, 3] after each jump, heading to `heading`
    [T].

    `tuck` [T]: how far the feet are drawn up in flight; `carries` [T, 2]: whether a leg supports the body (the other
    hangs bent); `knee`: bend of the legs at rest.
    """
    poses = upright(times)
    number, air = flights.number, flights.air
    feet = places[number] + air[:, None, None] * (places[number + 1] - places[number])
    # On tiptoe from just before until just after the flight.
    toes = _TOES * np.where(
        air < 1, 1.0, np.maximum(smooth(flights.gather, 0.75), 1 - smooth(flights.settle, 0.0, 0.3))
    )
    up = np.maximum(flights.height, 0.0)
    sink = np.minimum(flights.height, 0.0)
    feet[:, :, 1] += (up + toes + tuck * np.sin(np.pi * air))[:, None]
    middle = feet.mean(1) if carries is None else (feet * carries[:, :, None]).sum(1)
    poses[:, 0], poses[:, 2] = middle[:, 0], middle[:, 2]
    # Legs that are apart reach less high. Change this evenly between jumps, or the flight would not be a parabola.
    straddle = 0.5 * np.linalg.norm(places[:, 1] - places[:, 0], axis=-1) if carries is None else np.zeros(len(places))
    reaches = np.sqrt(np.maximum(0.994**2 - np.maximum(straddle - 0.1, 0) ** 2, 0.5))
    reach = reaches[number] + air * (reaches[number + 1] - reaches[number])
    poses[:, 1] = reach - knee + up + toes + np.maximum(sink, -0.6)
    # A body with bent legs bends the trunk, with the seat behind the feet.
    hinge = np.clip(-sink, 0, 0.6)
    poses[:, 0] -= 0.35 * hinge * np.cos(heading)
    poses[:, 2] += 0.35 * hinge * np.sin(heading)
    poses[:, ROOT] = quaternion_multiply(axis_rotation(1, heading), axis_rotation(2, -1.3 * hinge))
    poses[:, KNEES] = np.array([1.0, 0.0, -0.15, 1.0, 0.0, 0.15])
    stand_on(poses, feet)
    turn_chest(poses, 0.9 * hinge)
    movement = Movement(poses, tags_of(len(times)), "jump")
    movement.tags[:, TAG_INDEX["jump"]] = flights.act
    movement.tags[:, TAG_INDEX["stand"]] = 1 - flights.act
    return movement


def smooth(value: Array, start: float, width: float = 0.25) -> Array:
    """Rise smoothly from 0 at `start` to 1 at `start + width` of a progress [T]."""
    return smoothstep(value, start, width)


def _jumps(rng: Rng, times: Array, seconds: tuple[float, float], between: tuple[float, float]) -> tuple[Array, Array]:
    """Return take-offs [J] and seconds in the air [J], from before to after the sequence."""
    flight, gap = rng.uniform(*seconds), rng.uniform(*between)
    count = int((times[-1] - times[0] + 8.0) / (flight + gap)) + 3
    airborne = flight * rng.uniform(0.88, 1.12, count)
    gaps = gap * rng.uniform(0.85, 1.2, count) if gap < 0.5 else rng.uniform(between[0], between[1], count)
    took_off = times[0] - 2.0 - rng.uniform(0, flight + gap) + np.concatenate([[0.0], np.cumsum(airborne + gaps)[:-1]])
    return took_off, airborne


def _feet(count: int, middle: Array, apart: Array | float, heading: Array | float = 0.0) -> Array:
    """Return places [J, 2, 3] of two feet beside `middle` [J, 2] (x, z), each `apart` from it."""
    out = np.zeros((count, 2, 3))
    for side, sign in ((0, -1.0), (1, 1.0)):
        out[:, side, 0] = middle[:, 0] + sign * apart * np.sin(heading)
        out[:, side, 2] = middle[:, 1] + sign * apart * np.cos(heading)
    return out


def _throw_arms(rng: Rng, movement: Movement, flights: Flights) -> None:
    """Swing the arms back for the jump, up with it and down again, with varying reach or to the sides."""
    top, back = rng.uniform(0.4, 2.9), rng.uniform(0.2, 0.9)
    spread, bent = rng.choice([0.15, 0.15, rng.uniform(0.3, 1.2)]), rng.uniform(0.1, 1.0)
    rise = np.where(
        flights.air < 1,
        1 - 0.7 * smooth(flights.air, 0.3, 0.7),
        np.maximum(smooth(flights.gather, 0.6, 0.4), 0.3 * (1 - smooth(flights.settle, 0.0, 1.0))),
    )
    swing_back = np.where(flights.air < 1, 0.0, np.sin(np.pi * np.clip(flights.gather / 0.8, 0, 1)))
    for side in (0, 1):
        raised = 0.1 + top * rng.uniform(0.9, 1.0) * rise - back * swing_back
        bend_arm(movement.poses, side, raised, 0.12 + spread * rise, bent * (0.4 + 0.6 * rise), 0.2)


def single_jumps(rng: Rng, times: Array) -> Movement:
    """Make single jumps with both feet: straight up, tucked, as a star, with a turn, or in any direction."""
    took_off, airborne = _jumps(rng, times, (0.28, 0.62), (0.5, 1.8))
    flights = fly(times, took_off, airborne, rng.uniform(0.35, 0.7), rng.uniform(0.35, 0.7))
    count, kind = len(took_off), rng.choice(["up", "tuck", "star", "turn", "go"], p=[0.25, 0.15, 0.15, 0.1, 0.35])
    middle, heading = np.zeros((count, 2)), drift(rng, times, 0.1)
    if kind == "go":
        to = rng.choice([0.0, 0.0, 0.0, np.pi, np.pi / 2, -np.pi / 2])
        length = airborne[:, None] * rng.uniform(0.5, 3.2) * (1.0 if to == 0 else 0.5)
        ways = np.array([np.cos(to), np.sin(to)]) * (
            rng.choice([1.0, -1.0], (count, 1)) if abs(np.sin(to)) > 0.5 else 1.0
        )
        middle = np.cumsum(length * ways, 0)
    turns = np.zeros(count)
    if kind == "turn":
        turns = np.cumsum(rng.choice([-1.0, 1.0], count) * rng.choice([0.5, 1.0, 2.0]) * np.pi / 2)
        heading = turns[flights.number] + flights.air * (turns[flights.number + 1] - turns[flights.number])
    apart = rng.uniform(0.06, 0.2)
    places = _feet(count, middle, apart, turns)
    tuck = airborne[flights.number] * (rng.uniform(0.6, 1.2) if kind == "tuck" else rng.uniform(0.0, 0.3))
    movement = jump(times, flights, places, heading, tuck=tuck, knee=rng.uniform(0.0, 0.04))
    spread = np.sin(np.pi * flights.air)
    if kind == "go":  # the body leads the feet and passes them in flight
        ahead = 0.25 * np.sin(2 * np.pi * flights.air) * (flights.air < 1)
        movement.poses[:, 27] += ahead * -1.0
        movement.poses[:, 30] += ahead * -1.0
    if kind == "star":
        for side, sign in ((0, -1.0), (1, 1.0)):
            movement.poses[:, 29 + 3 * side] += sign * rng.uniform(0.3, 0.5) * spread
            movement.poses[:, 28 + 3 * side] += 0.12 * spread
            bend_arm(movement.poses, side, 0.0, 0.15 + rng.uniform(1.6, 2.4) * spread, 0.1)
    elif rng.random() < 0.75:
        _throw_arms(rng, movement, flights)
    else:
        arms_at_rest(rng, movement, times)
    return movement


def rebounds(rng: Rng, times: Array) -> Movement:
    """Jump in rhythm: on the spot, with a rope, as jumping jacks or scissors, or to and fro over a line."""
    took_off, airborne = _jumps(rng, times, (0.14, 0.34), (0.12, 0.26))
    flights = fly(times, took_off, airborne, 0.5, 0.5)
    count, kind = len(took_off), rng.choice(["spring", "rope", "jacks", "scissors", "line"])
    odd = np.arange(count) % 2
    apart, middle = np.full(count, rng.uniform(0.05, 0.14)), np.zeros((count, 2))
    wide = rng.uniform(0.2, 0.42)
    if kind == "jacks":
        apart += wide * odd
    if kind == "line":
        middle[:, int(rng.integers(2))] = 0.3 * odd
    places = _feet(count, middle, apart)
    if kind == "scissors":
        places[:, 0, 0], places[:, 1, 0] = 0.8 * wide * (2 * odd - 1), -0.8 * wide * (2 * odd - 1)
    movement = jump(
        times, flights, places, drift(rng, times, 0.1), tuck=rng.uniform(0, 0.06), knee=rng.uniform(0.01, 0.05)
    )
    open_ = odd[flights.number] + smooth(flights.air, 0.0, 1.0) * (odd[flights.number + 1] - odd[flights.number])
    beat = flights.number + flights.air
    for side in (0, 1):
        if kind == "jacks":
            bend_arm(movement.poses, side, 0.1, 0.15 + rng.uniform(1.3, 2.85) * open_, rng.uniform(0.05, 0.5))
        elif kind == "rope":
            turn = 2 * np.pi * beat + rng.normal(0, 0.2)
            bend_arm(
                movement.poses,
                side,
                -0.1 + 0.12 * np.sin(turn),
                0.35 + 0.1 * np.cos(turn),
                1.2 + 0.2 * np.cos(turn),
                -0.5,
            )
        elif kind == "scissors":
            swing = (2 * open_ - 1) * (1.0 if side else -1.0)
            bend_arm(movement.poses, side, 0.7 * swing, 0.15, 0.8)
    if kind in ("spring", "line"):
        if rng.random() < 0.5:
            _throw_arms(rng, movement, flights)
        else:
            arms_at_rest(rng, movement, times)
    return movement


def on_one_leg(rng: Rng, times: Array) -> Movement:
    """Hop on one leg, changing it now and then, or skip: a hop and a step on each leg in turn."""
    skips = rng.random() < 0.4
    took_off, airborne = _jumps(rng, times, (0.18, 0.36), (0.18, 0.36))
    flights = fly(times, took_off, airborne, 0.5, 0.5)
    count = len(took_off)
    legs = (
        np.arange(count) // 2 % 2 if skips else (np.arange(count) // int(rng.choice([4, 8, 99])) + rng.integers(2)) % 2
    )
    speed = rng.uniform(0.6, 2.4) if skips else rng.choice([0.0, rng.uniform(0.3, 2.0)])
    lengths = speed * (airborne + 0.25)
    middle = np.stack([np.cumsum(lengths), np.zeros(count)], -1)
    carried = legs[flights.number] + smooth(flights.air, 0.2, 0.6) * (legs[flights.number + 1] - legs[flights.number])
    carries = np.stack([1 - carried, carried], -1)
    movement = jump(times, flights, _feet(count, middle, 0.05), drift(rng, times, 0.1), carries=carries, knee=0.03)
    hang = np.array([rng.uniform(0.1, 0.35), -rng.uniform(0.5, 0.75), 0.0])
    if not skips and rng.random() < 0.6:
        hang = np.array([-rng.uniform(0.15, 0.4), -rng.uniform(0.55, 0.75), 0.0])
    lifted = hang + np.array([0.1, 0.12, 0.0]) * np.sin(np.pi * flights.air)[:, None]
    for side in (0, 1):
        columns = slice(27 + 3 * side, 30 + 3 * side)
        movement.poses[:, columns] += (1 - carries[:, side : side + 1]) * (lifted - movement.poses[:, columns])
        swing = (1 - 2 * carried) * (-1.0 if side else 1.0) if skips else np.sin(np.pi * flights.air)
        bend_arm(movement.poses, side, rng.uniform(0.2, 0.9) * swing, rng.uniform(0.1, 0.6), rng.uniform(0.3, 1.3), 0.2)
    if not skips and rng.random() < 0.3:
        arms_at_rest(rng, movement, times)
    turn_chest(movement.poses, rng.uniform(0.0, 0.15), 0.0, 0.0)
    return movement


def over_obstacle(rng: Rng, times: Array) -> Movement:
    """Run or walk up to a puddle or hurdle, take off from one leg, land on the other, and go on."""
    runs = rng.random() < 0.6
    speed = rng.uniform(2.2, 4.2) if runs else rng.uniform(1.2, 1.9)
    beat = rng.uniform(0.32, 0.4) if runs else rng.uniform(0.48, 0.58)
    down = beat * rng.uniform(0.75, 0.9) if runs else 1.2 * beat
    airborne = rng.uniform(0.32, 0.55)
    jump_at = rng.uniform(times[0] + 0.1, max(times[-1] - 0.2, times[0] + 0.2))
    before = jump_at - down - beat * np.arange(int((jump_at - times[0] + 2) / beat) + 2)[::-1]
    after = jump_at + airborne + beat * np.arange(int(max(times[-1] - jump_at, 0) / beat) + 6)
    lands = np.concatenate([before, after])
    leads = (np.arange(len(lands)) - len(before)) % 2  # side 0 takes the leap's landing
    poses = upright(times)
    poses[:, 0] = speed * (times - jump_at)
    feet, swings = np.empty((len(times), 2, 3)), np.empty((len(times), 2))
    for side, sign in ((0, -1.0), (1, 1.0)):
        side_landings = lands[leads == side]
        places = np.stack(
            [speed * (side_landings + down / 2 - jump_at), 0 * side_landings, sign * 0.06 + 0 * side_landings], -1
        )
        feet[:, side], swings[:, side] = foot_path(
            times, side_landings[:-1] + down, side_landings[1:], places, rng.uniform(0.08, 0.2)
        )
    ahead = plant(poses, feet, drift(rng, times, 0.05), swings, heel=0.2, sink=rng.uniform(0.02, 0.07))
    share = np.clip((times - jump_at) / airborne, 0, 1)
    flying = (share > 0) & (share < 1)
    took = poses[:, 1].copy()
    carried = np.interp(times, [jump_at - 0.05, jump_at, jump_at + airborne, jump_at + airborne + 0.05], [0, 1, 1, 0])
    poses[:, 1] += carried * (0.95 - took)
    for side in (0, 1):
        poses[:, 28 + 3 * side] -= carried * (0.95 - took)
    # Wind-up and landing.
    u, w = np.clip((times - jump_at - airborne) / 0.3, 0, 1), np.clip((times - jump_at + 0.3) / 0.3, 0, 1)
    push = -GRAVITY * airborne / 2 * 0.3 * 0.6 * (u * (1 - u) ** 2 + w * w * (1 - w))
    raise_body(poses, 0.5 * GRAVITY * airborne**2 * share * (1 - share) + np.where(flying, 0.0, push))
    for side in (0, 1):  # the legs split in the air
        poses[:, 28 + 3 * side] += (0.25 if side == 0 else 0.3) * np.sin(np.pi * share) * airborne
        raised = (1.0 if side == 0 else -1.0) * rng.uniform(0.4, 0.8) * ahead + rng.uniform(0.0, 0.8) * np.sin(
            np.pi * share
        )
        bend_arm(poses, side, raised, 0.15 + rng.uniform(0.0, 0.8) * np.sin(np.pi * share), 1.3 if runs else 0.4, 0.2)
    lean_forwards(poses, rng.uniform(0.05, 0.2) + 0.15 * np.sin(np.pi * share))
    movement = Movement(poses, tags_of(len(times), "step", "swing"), "jump")
    on = (times > jump_at - 0.12) & (times < jump_at + airborne + 0.15)
    movement.tags[:, TAG_INDEX["jump"]] = on
    movement.tags[on, TAG_INDEX["step"]] = 0.0
    labels = np.full(len(times), ACTION_INDEX["run" if runs else "walk"])
    labels[(times > jump_at - 0.3) & (times < jump_at + airborne + 0.35)] = UNSURE
    labels[on] = ACTION_INDEX["jump"]
    movement.labels = labels
    return movement


STYLES: tuple[Style, ...] = (
    Style("jump", "singly", single_jumps, 1.4, source="flights"),
    Style("jump", "rebounds", rebounds, 1.2, source="flights"),
    Style("jump", "one_leg", on_one_leg, 0.8, source="flights"),
    Style("jump", "over_something", over_obstacle, 0.5, source="flights"),
)
