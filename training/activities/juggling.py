"""Juggling: the hands' cycles and the balls' flights, computed together; and the same hands with nothing to catch.

Each style is a pure function (rng, times [T]) → `Movement`; owns nothing. Points are as a prop's path has them: from
the middle between the shoulders, in the chest's frame, in arm lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.activities.contact import ARM, GRAVITY, SHOULDER
from training.activities.standing import stance
from training.motion import Array
from training.movement import TAG_INDEX, Maker, Movement, Prop, Rng, Style, drift, look_around, set_arm, turn_head

FALL = GRAVITY / ARM
"""Arm lengths a second squared."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Who throws when: each of the hands cycles `rate` times a second. A ball is thrown from `hands[k]` and caught by
    `hands[k + 1]` (and so round), which throws it in its turn `flights[k]` cycles after the first."""

    rate: float
    dwell: float
    """Share of a cycle for which a ball rests in the hand."""
    hands: tuple[int, ...]
    flights: tuple[float, ...]
    balls: int
    offset: tuple[float, float]
    """The phase at which the left and the right hand throw."""


def _hand(pattern: Pattern, side: int, times: Array, centre: Array, size: Array) -> Array:
    """One hand [T, 3]: scoops inwards with the ball, from the catch to the throw (phase 0), and returns outwards."""
    phase = (pattern.rate * times - pattern.offset[side]) % 1.0
    carried = phase >= 1 - pattern.dwell
    scoop = np.where(carried, (phase - 1 + pattern.dwell) / pattern.dwell, 1 - phase / (1 - pattern.dwell))
    across = 0.5 - 0.5 * np.cos(np.pi * scoop)  # 0 outside (catch) to 1 inside (throw)
    dip = np.where(carried, -np.sin(np.pi * scoop), 0.45 * np.sin(np.pi * scoop))
    out = 1.0 if side else -1.0
    way = np.stack([0 * phase, size[1] * dip, -out * size[0] * (across - 0.5)], -1)
    return centre * np.array([1.0, 1.0, out]) + way


def _ball(pattern: Pattern, number: int, times: Array, hand: Callable[[int, Array], Array]) -> Array:
    """Where one ball is [T, 3]: with the hand while it dwells there, on a parabola between."""
    # One round of the ball: it leaves hands[0], …, and is back after `period` cycles.
    period = sum(pattern.flights)
    shift = number * period / pattern.balls
    cycles = pattern.rate * times - pattern.offset[pattern.hands[0]] + shift
    base = np.floor(cycles / period) * period
    out = np.zeros((len(times), 3))
    begin = 0.0
    for index, span in enumerate(pattern.flights):
        along = cycles - base - begin
        own = (along >= 0) & (along < span)
        if own.any():
            source, target = pattern.hands[index], pattern.hands[(index + 1) % len(pattern.hands)]
            airborne = span - pattern.dwell
            thrown = times[own] - along[own] / pattern.rate
            caught = thrown + airborne / pattern.rate
            seconds = airborne / pattern.rate
            start, end = hand(source, thrown), hand(target, caught)
            share = np.clip(along[own] / airborne, 0, 1)[:, None]
            flying = start + share * (end - start)
            flying[:, 1] += 0.5 * FALL * seconds**2 * (share * (1 - share))[:, 0]
            out[own] = np.where((along[own] < airborne)[:, None], flying, hand(target, times[own]))
        begin += span
    return out


def cascade(rng: Rng) -> Pattern:
    """Three balls, or two with a gap, crossing from hand to hand at one height."""
    return Pattern(
        rng.uniform(0.95, 1.7), rng.uniform(0.45, 0.65), (0, 1), (1.5, 1.5), 3 - int(rng.random() < 0.2), (0.0, 0.5)
    )


def columns(rng: Rng) -> Pattern:
    """Each hand throws its own straight up: two balls in one hand, and one in the other or none."""
    return Pattern(rng.uniform(1.3, 1.9), rng.uniform(0.4, 0.6), (1,), (2.0,), 2, (0.0, 0.5))


def shower(rng: Rng) -> Pattern:
    """Held out: one hand throws high arcs, the other hands the balls straight back."""
    return Pattern(rng.uniform(1.5, 2.1), rng.uniform(0.4, 0.55), (1, 0), (2.2, 0.8), 3, (0.2, 0.0))


def _arms(rng: Rng, movement: Movement, times: Array, pattern: Pattern) -> Callable[[int, Array], Array]:
    """Move both arms in the pattern's cycle, in place; returns where a hand is at any time."""
    centre = np.array([rng.uniform(0.38, 0.55), rng.uniform(-0.62, -0.42), rng.uniform(0.22, 0.36)])
    size = np.array([rng.uniform(0.1, 0.26), rng.uniform(0.06, 0.16)])

    def hand(side: int, at: Array) -> Array:
        return _hand(pattern, side, at, centre, size)

    for side in (0, 1):
        shoulder = np.array([0.0, 0.0, (1.0 if side else -1.0) * SHOULDER / ARM])
        wrist = hand(side, times) - shoulder
        wrist[:, 2] *= 1.0 if side else -1.0  # `set_arm` wants every arm as a right one
        set_arm(movement.poses, side, wrist, np.array([-0.8, -1.0, 0.4]))
    return hand


def juggles(draw: Callable[[Rng], Pattern]) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        movement = stance(rng, times, rng.uniform(0.1, 0.25), 0.5)
        pattern = draw(rng)
        hand = _arms(rng, movement, times, pattern)
        for number in range(pattern.balls):
            path = _ball(pattern, number, times, hand)
            path[:, 1] += 0.1  # in the palm, over the wrist
            movement.props.append(Prop("ball", "free", np.ones_like(times), path))
        if len(pattern.hands) == 1 and rng.random() < 0.5:
            movement.props.append(Prop("ball", "left", np.ones_like(times)))
        turn_head(movement.poses, rng.uniform(-0.35, 0.1), drift(rng, times, 0.05))
        movement.action = "juggle"
        movement.tags[:, [TAG_INDEX["throw_l"], TAG_INDEX["throw_r"]]] = [float(0 in pattern.hands), 1.0]
        movement.tags[:, [TAG_INDEX["hold_l"], TAG_INDEX["hold_r"]]] = 1.0
        return movement

    return make


def empty_juggling(rng: Rng, times: Array) -> Movement:
    """A juggler's hands without anything in the air."""
    movement = stance(rng, times, rng.uniform(0.1, 0.25), 0.5)
    look_around(rng, movement.poses, times)
    _arms(rng, movement, times, cascade(rng) if rng.random() < 0.6 else columns(rng))
    movement.action = "other"
    movement.tags[:, TAG_INDEX["stand"]] = 0.0
    return movement


STYLES: tuple[Style, ...] = (
    Style("juggle", "cascade", juggles(cascade), 2.0),
    Style("juggle", "columns", juggles(columns), 0.8),
    Style("juggle", "shower", juggles(shower), held_out=True),
    Style("other", "empty_juggling", empty_juggling, 0.8),
)
