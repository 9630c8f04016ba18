"""Carrying: hugged loads, on a shoulder, head or hip, under an arm, a bag in each hand, heavy loads, trays.

Each load sets arms and trunk while standing or walking; points are those of `training.synthetic.motion.reaching`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.activities.locomotion.gaits import curve_walk, slow_walk
from training.synthetic.activities.standing.standing import stance
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import (
    HAND_TAGS,
    TAG_INDEX,
    Maker,
    Movement,
    Prop,
    Rng,
    Style,
    drift,
    look_around,
    turn_chest,
    turn_head,
)
from training.synthetic.motion.reaching import reach, reach_across, wobble

Load = Callable[[Rng, Movement, Array], tuple[int, ...]]
"""(rng, movement, times [T]): load the body in place, with props; returns the sides that carry."""


def _add_load(movement: Movement, name: str, place: Array, times: Array) -> None:
    """Add an object that rests on the body at `place`."""
    path = np.broadcast_to(place, (len(times), 3)).copy()
    movement.props.append(Prop(name, "free", np.ones_like(times), path))


def _lean(rng: Rng, movement: Movement, times: Array, aside: float, back: float) -> None:
    """Lean away from the weight; `aside` is to the right."""
    sway = drift(rng, times, 0.03)
    turn_chest(movement.poses, sway - back, drift(rng, times, 0.06), aside + sway)


def _jolts(rng: Rng, times: Array) -> Array:
    return wobble(rng, times, rng.uniform(0.005, 0.025), 0.4)


def hugged(rng: Rng, movement: Movement, times: Array) -> tuple[int, ...]:
    """Hold a box, pile or sack of any width in front of the body, one hand under it or both at its sides."""
    middle = np.array([rng.uniform(0.32, 0.68), rng.uniform(-0.75, 0.05), rng.normal(0, 0.08)]) + _jolts(rng, times)
    apart, askew = rng.uniform(0.06, 0.5), rng.normal(0, 0.14)
    for side, sign in ((0, -1.0), (1, 1.0)):
        offset = np.array([rng.normal(0, 0.06), sign * askew, sign * apart])
        reach_across(movement, side, middle + offset, 1.0, rng.normal(0.0, 0.3))
    _lean(rng, movement, times, rng.normal(0, 0.05), rng.uniform(-0.1, 0.3))
    movement.props.append(Prop("box", "both", np.ones_like(times)))
    return (0, 1)


def on_one_shoulder(rng: Rng, movement: Movement, times: Array) -> tuple[int, ...]:
    """Carry a box or sack on a shoulder, steadied by one hand or both."""
    hands = rng.integers(3)
    jolt, ahead = _jolts(rng, times), rng.uniform(0.1, 0.4)
    if hands != 1:
        reach(
            movement,
            1,
            np.array([ahead, rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.65)]) + jolt,
            1.0,
            rng.normal(0, 0.3),
        )
    if hands != 0:
        reach_across(movement, 0, np.array([ahead + 0.12, rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.35)]) + jolt)
    _add_load(movement, "box", np.array([0.05, 0.35, 0.45]), times)
    _lean(rng, movement, times, -rng.uniform(0.0, 0.2), rng.uniform(-0.15, 0.05))
    turn_head(movement.poses, 0.05, rng.uniform(0.0, 0.4))
    return ((1,), (0,), (0, 1))[int(hands)]


def on_the_head(rng: Rng, movement: Movement, times: Array) -> tuple[int, ...]:
    """Carry a basket or box on the head, one or both hands at it."""
    sides = (0, 1) if rng.random() < 0.5 else (int(rng.integers(2)),)
    wide = rng.uniform(0.1, 0.42)
    for side in sides:
        place = np.array([rng.uniform(0.0, 0.15), rng.uniform(0.62, 0.82), wide]) + _jolts(rng, times)
        reach(movement, side, place, 1.0, rng.normal(0, 0.3))
    _add_load(movement, "box", np.array([0.05, 0.85, 0.0]), times)
    _lean(rng, movement, times, 0.0, rng.uniform(0.0, 0.08))
    return sides


def on_the_hip(rng: Rng, movement: Movement, times: Array) -> tuple[int, ...]:
    """Carry a child or basket on a hip, one arm round it; the other hand helps or is free."""
    jolt = _jolts(rng, times)
    reach(
        movement,
        1,
        np.array([rng.uniform(0.25, 0.45), rng.uniform(-0.6, -0.3), rng.uniform(0.25, 0.5)]) + jolt,
        1.0,
        0.4,
    )
    helps = rng.random() < 0.5
    if helps:
        reach_across(movement, 0, np.array([0.38, rng.uniform(-0.45, -0.1), rng.uniform(0.1, 0.35)]) + jolt)
    _add_load(movement, "box", np.array([0.15, -0.4, 0.52]), times)
    _lean(rng, movement, times, -rng.uniform(0.05, 0.25), rng.uniform(0.0, 0.12))
    return (0, 1) if helps else (1,)


def under_the_arm(rng: Rng, movement: Movement, times: Array) -> tuple[int, ...]:
    """Carry a box, board or bundle between arm and ribs."""
    low = rng.uniform(-0.85, -0.4)
    place = np.array([rng.uniform(0.05, 0.4), low, rng.uniform(0.42, 0.66)]) + _jolts(rng, times)
    reach(movement, 1, place, 1.0, rng.normal(0.3, 0.2))
    _add_load(movement, "box", np.array([0.05, 0.5 * low - 0.1, 0.52]), times)
    _lean(rng, movement, times, -rng.uniform(0.0, 0.18), 0.0)
    return (1,)


def bag_in_each_hand(rng: Rng, movement: Movement, times: Array) -> tuple[int, ...]:
    """Carry heavy bags: arms straight, still and away from the legs, the back rounded or braced."""
    for side in (0, 1):
        place = np.array([rng.uniform(-0.05, 0.2), -0.95, rng.uniform(0.4, 0.62)]) + _jolts(rng, times)
        reach(movement, side, place)
        movement.props.append(Prop("bag", "right" if side else "left", np.ones_like(times)))
    _lean(rng, movement, times, rng.normal(0, 0.06), rng.uniform(-0.3, 0.12))
    return (0, 1)


def lugged(rng: Rng, movement: Movement, times: Array) -> tuple[int, ...]:
    """Lug a heavy object, both hands at its handle beside or in front of a thigh, the trunk bent the other way."""
    aside, jolt = rng.uniform(0.1, 0.6), _jolts(rng, times)
    middle = np.array([rng.uniform(0.25, 0.45), rng.uniform(-0.85, -0.65), aside])
    for side, sign in ((0, -1.0), (1, 1.0)):
        reach_across(movement, side, middle + jolt + np.array([0.0, 0.0, 0.07 * sign]))
    movement.props.append(Prop("bag", "both", np.ones_like(times)))
    _lean(rng, movement, times, -rng.uniform(0.0, 0.3) * (aside > 0.25), rng.uniform(-0.35, 0.15))
    return (0, 1)


def tray(rng: Rng, movement: Movement, times: Array) -> tuple[int, ...]:
    """Carry a tray on the flat hand beside or above the shoulder, or on both hands in front of the chest."""
    if rng.random() < 0.4:
        middle = np.array([rng.uniform(0.4, 0.7), rng.uniform(-0.5, -0.1), 0.0]) + _jolts(rng, times)
        for side in (0, 1):
            reach(movement, side, middle + np.array([0.0, 0.0, rng.uniform(0.15, 0.4)]), 1.0, rng.normal(-0.1, 0.2))
        movement.props.append(Prop("box", "both", np.ones_like(times)))
        return (0, 1)
    place = np.array([rng.uniform(0.1, 0.5), rng.uniform(-0.2, 0.4), rng.uniform(0.4, 0.75)]) + _jolts(rng, times)
    reach(movement, 1, place, 1.0, rng.normal(-0.1, 0.25))
    _add_load(movement, "box", np.asarray(place).mean(0) + np.array([0.0, 0.2, 0.0]), times)
    _lean(rng, movement, times, rng.normal(0, 0.04), 0.0)
    return (1,)


def _base(rng: Rng, times: Array) -> Movement:
    """Stand or walk with empty hands."""
    pick = rng.random()
    if pick < 0.35:
        movement = stance(rng, times, rng.uniform(0.08, 0.24), rng.uniform(0.3, 1.5))
        look_around(rng, movement.poses, times)
    else:
        movement = (curve_walk if pick < 0.7 else slow_walk)(rng, times)
    return movement


def carry_with(*loads: Load) -> Maker:
    """Carry any of `loads`, standing or walking. A hand that does not carry moves as before."""

    def make(rng: Rng, times: Array) -> Movement:
        movement = _base(rng, times)
        movement.props = []
        movement.tags[:, [TAG_INDEX["hold_l"], TAG_INDEX["hold_r"]]] = 0.0
        for side in loads[int(rng.integers(len(loads)))](rng, movement, times):
            movement.tags[:, [index for index in HAND_TAGS if index % 2 == side]] = 0.0
            movement.tags[:, TAG_INDEX["carry_l"] + side] = 1.0
        movement.action = "carry"
        return movement

    return make


STYLES: tuple[Style, ...] = (
    Style("carry", "hugged", carry_with(hugged), 1.3, source="loads"),
    Style("carry", "on_one_side", carry_with(on_one_shoulder, on_the_hip, under_the_arm), 1.3, source="loads"),
    Style("carry", "on_high", carry_with(on_the_head, tray), 0.9, source="loads"),
    Style("carry", "from_the_hands", carry_with(bag_in_each_hand, lugged), 0.6, source="loads"),
)
