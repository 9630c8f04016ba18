"""Juggling: hand cycles and ball flights, computed together; and the same hands without balls.

Each style is a function (rng, times [T]) → `Movement`. Points are those of a prop's path: relative to the midpoint of
the shoulders, in the chest's frame, in arm lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.synthetic.activities.mechanics.contact import ARM, GRAVITY, SHOULDER
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import (
    TAG_INDEX,
    Maker,
    Movement,
    Prop,
    Rng,
    Style,
    drift,
    look_around,
    set_arm,
    turn_head,
)

FALL = GRAVITY / ARM
"""Arm lengths per second squared."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A juggling pattern; each hand makes `rate` cycles per second.

    A ball is thrown from `hands[k]` and caught by `hands[k + 1]` (cyclically), which throws it `flights[k]` cycles
    after the first throw.
    """

    rate: float
    dwell: float
    """Share of a cycle for which a ball rests in the hand."""
    hands: tuple[int, ...]
    flights: tuple[float, ...]
    balls: int
    offset: tuple[float, float]
    """Phase at which the left and the right hand throw."""


def _hand(pattern: Pattern, side: int, times: Array, centre: Array, size: Array) -> Array:
    """Return a hand's place [T, 3]: it scoops inwards with the ball, from the catch to the throw (phase 0), and returns
    outwards."""
    phase = (pattern.rate * times - pattern.offset[side]) % 1.0
    carried = phase >= 1 - pattern.dwell
    scoop = np.where(carried, (phase - 1 + pattern.dwell) / pattern.dwell, 1 - phase / (1 - pattern.dwell))
    across = 0.5 - 0.5 * np.cos(np.pi * scoop)  # 0 outside (catch) to 1 inside (throw)
    dip = np.where(carried, -np.sin(np.pi * scoop), 0.45 * np.sin(np.pi * scoop))
    out = 1.0 if side else -1.0
    way = np.stack([0 * phase, size[1] * dip, -out * size[0] * (across - 0.5)], -1)
    return centre * np.array([1.0, 1.0, out]) + way


def _flying(start: Array, end: Array, share: Array, seconds: float) -> Array:
    """Return a ball's place [T, 3] after `share` [T, 1] of a flight of `seconds` from `start` to `end` [T, 3]."""
    path = start + share * (end - start)
    path[:, 1] += 0.5 * FALL * seconds**2 * (share * (1 - share))[:, 0]
    return path


def _ball(pattern: Pattern, number: int, times: Array, hand: Callable[[int, Array], Array]) -> Array:
    """Return a ball's place [T, 3]: in a hand, or on a parabola between the hands."""
    # One cycle of the ball: it leaves hands[0], …, and is back after `period` cycles.
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
            flying = _flying(start, end, share, seconds)
            out[own] = np.where((along[own] < airborne)[:, None], flying, hand(target, times[own]))
        begin += span
    return out


def cascade(rng: Rng) -> Pattern:
    """Draw a cascade of three balls, or two with a gap, that cross from hand to hand at one height."""
    return Pattern(
        rng.uniform(0.95, 1.7), rng.uniform(0.45, 0.65), (0, 1), (1.5, 1.5), 3 - int(rng.random() < 0.2), (0.0, 0.5)
    )


def shower(rng: Rng) -> Pattern:
    """Draw a shower: one hand throws high arcs, the other passes the balls straight back."""
    return Pattern(rng.uniform(1.5, 2.1), rng.uniform(0.4, 0.55), (1, 0), (2.2, 0.8), 3, (0.2, 0.0))


def _arms(rng: Rng, movement: Movement, times: Array, pattern: Pattern) -> Callable[[int, Array], Array]:
    """Move both arms in the pattern's cycle, in place; return a function of a hand's place at any time."""
    centre = np.array([rng.uniform(0.38, 0.55), rng.uniform(-0.62, -0.42), rng.uniform(0.22, 0.36)])
    size = np.array([rng.uniform(0.1, 0.26), rng.uniform(0.06, 0.16)])

    def hand(side: int, at: Array) -> Array:
        return _hand(pattern, side, at, centre, size)

    for side in (0, 1):
        _reach(movement, side, hand(side, times))
    return hand


def juggle_with(draw: Callable[[Rng], Pattern]) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        movement = stance(rng, times, rng.uniform(0.1, 0.25), 0.5)
        pattern = draw(rng)
        hand = _arms(rng, movement, times, pattern)
        balls = [_ball(pattern, number, times, hand) for number in range(pattern.balls)]
        return _finish(rng, movement, times, balls)

    return make


def _finish(rng: Rng, movement: Movement, times: Array, balls: list[Array]) -> Movement:
    for path in balls:
        path[:, 1] += 0.1  # in the palm, above the wrist
        movement.props.append(Prop("ball", "free", np.ones_like(times), path, thing=0))
    turn_head(movement.poses, rng.uniform(-0.35, 0.1), drift(rng, times, 0.05))
    movement.action = "juggle"
    movement.tags[:, [TAG_INDEX["throw_l"], TAG_INDEX["throw_r"]]] = 1.0
    return movement


def _reach(movement: Movement, side: int, point: Array) -> None:
    """Move one wrist to `point` [T, 3], in place."""
    wrist = point - np.array([0.0, 0.0, (1.0 if side else -1.0) * SHOULDER / ARM])
    wrist[:, 2] *= 1.0 if side else -1.0  # `set_arm` takes every arm as a right one
    set_arm(movement.poses, side, wrist, np.array([-0.8, -1.0, 0.4]))


def exchanges(rng: Rng, times: Array) -> Movement:
    """Juggle two balls, each tossed when the other is at its highest; the hands bob at their places."""
    movement = stance(rng, times, rng.uniform(0.1, 0.25), 0.5)
    round_s, dwell = rng.uniform(1.3, 2.2), rng.uniform(0.14, 0.22)
    at = np.array([rng.uniform(0.38, 0.55), rng.uniform(-0.6, -0.4), rng.uniform(0.25, 0.42)])
    bob = rng.uniform(0.05, 0.14)
    clock = times / round_s + rng.random()

    def hand(side: int, turns: Array) -> Array:
        # Lowest while the ball rests in it, a quarter cycle after the other hand.
        lift = -np.cos(4 * np.pi * (turns - 0.5 * dwell - (0.0 if side else 0.5)))
        out = 1.0 if side else -1.0
        return np.stack([at[0] + 0 * turns, at[1] + bob * lift, out * (at[2] + 0.03 * lift)], -1)

    balls: list[Array] = []
    for shift in (0.0, 0.25):
        turns = (clock - shift) % 1.0
        from_right = turns < 0.5
        half = turns % 0.5
        share = np.clip((half - dwell) / (0.5 - dwell), 0, 1)[:, None]
        begin = clock - half
        thrown = np.where(from_right[:, None], hand(1, begin + dwell), hand(0, begin + dwell))
        caught = np.where(from_right[:, None], hand(0, begin + 0.5), hand(1, begin + 0.5))
        resting = np.where(from_right[:, None], hand(1, clock), hand(0, clock))
        flying = _flying(thrown, caught, share, (0.5 - dwell) * round_s)
        balls.append(np.where((half < dwell)[:, None], resting, flying))
    for side in (0, 1):
        _reach(movement, side, hand(side, clock))
    return _finish(rng, movement, times, balls)


def columns(rng: Rng, times: Array) -> Movement:
    """Throw one ball with each hand straight up, both together or in turn. Held out."""
    movement = stance(rng, times, rng.uniform(0.1, 0.25), 0.5)
    rate, together = rng.uniform(0.8, 1.4), rng.random() < 0.5
    size, place = rng.uniform(0.08, 0.2), np.array([0.45, rng.uniform(-0.6, -0.42), rng.uniform(0.24, 0.4)])
    dwell = rng.uniform(0.3, 0.5)  # the ball rests in the hand on its way up
    balls: list[Array] = []
    for side in (0, 1):
        phase = rate * times + 0.5 * side * (not together)
        point = np.repeat(place[None], len(times), 0)
        point[:, 1] += size * np.sin(2 * np.pi * phase)
        point[:, 2] *= 1.0 if side else -1.0
        _reach(movement, side, point)
        # Thrown at the highest upward speed (phase 0), caught `dwell` before that.
        along = phase % 1.0
        share = np.clip(along / (1 - dwell), 0, 1)[:, None]
        level, down = np.zeros_like(times), np.full_like(times, size * np.sin(2 * np.pi * (1 - dwell)))
        start, end = (point * [1, 0, 1] + np.stack([0 * y, place[1] + y, 0 * y], -1) for y in (level, down))
        flying = _flying(start, end, share, (1 - dwell) / rate)
        balls.append(np.where((along < 1 - dwell)[:, None], flying, point))
    return _finish(rng, movement, times, balls)


def empty_juggling(rng: Rng, times: Array) -> Movement:
    """Move the hands as in juggling, without balls."""
    movement = stance(rng, times, rng.uniform(0.1, 0.25), 0.5)
    look_around(rng, movement.poses, times)
    _arms(rng, movement, times, cascade(rng) if rng.random() < 0.7 else shower(rng))
    movement.action = "other"
    movement.tags[:, TAG_INDEX["stand"]] = 0.0
    return movement


STYLES: tuple[Style, ...] = (
    Style("juggle", "cascade", juggle_with(cascade), 2.0, source="pattern"),
    Style("juggle", "shower", juggle_with(shower), 0.8, source="pattern"),
    Style("juggle", "exchanges", exchanges, 1.0),
    Style("juggle", "columns", columns, held_out=True),
    Style("other", "empty_juggling", empty_juggling, 0.8),
)
