"""Juggling from siteswap notation: two-handed, one-handed, and bounced off the floor.

A pattern is a sequence of numbers (Buhler, Eisenbud, Graham and Wright, "Juggling drops and descents", 1994): the ball
thrown at a beat is thrown again that many beats later; a 2 is held, a 0 is an empty hand. Points are those of
`training.synthetic.activities.throwing.juggling`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.activities.floor.crouch_and_sit import sit_on_chair
from training.synthetic.activities.locomotion.gaits import curve_walk, slow_walk
from training.synthetic.activities.standing.standing import stance
from training.synthetic.activities.throwing.juggling import FALL
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import (
    HAND_TAGS,
    TAG_INDEX,
    Movement,
    Prop,
    Rng,
    Style,
    drift,
    place_arm,
    turn_chest,
    turn_head,
)
from training.synthetic.motion.reaching import reach_across

PATTERNS: tuple[tuple[int, ...], ...] = (
    (3,), (3,), (5, 1), (4, 4, 1), (5, 3, 1), (4, 2, 3), (5,), (3, 3, 0), (4, 1, 1), (5, 5, 5, 0, 0), (3, 1, 2),
    (5, 0, 1),
)  # fmt: skip
FLOOR_BELOW = 2.45
"""From the shoulders to the floor, standing."""
_HandAt = Callable[[int, Array], Array]


def _base(rng: Rng, times: Array) -> Movement:
    """Stand, walk or sit with free hands, mostly stand."""
    pick = rng.random()
    if pick < 0.7:
        movement = stance(rng, times, rng.uniform(0.08, 0.28), rng.uniform(0.3, 1.5))
    elif pick < 0.85:
        movement = (slow_walk if rng.random() < 0.6 else curve_walk)(rng, times)
    else:
        movement = sit_on_chair(rng, times)
    movement.props = []
    movement.tags[:, HAND_TAGS] = 0.0
    return movement


def _hands(
    rng: Rng, centres: Array, beat_of: Callable[[Array], Array], dwell: float, single_hand: int | None
) -> _HandAt:
    """Return a function of a hand's place at any time.

    It is an ellipse, the lower half with a ball (from catch to throw), the upper half without. The throw is on the
    inner, outer or front side.
    """
    wide, high = rng.uniform(0.02, 0.2), rng.uniform(0.03, 0.18)
    towards = np.array([rng.normal(0, 0.4), rng.normal(0, 0.2), rng.choice([-1.0, -1.0, 1.0, 0.2])])
    shares = 1.0 + rng.normal(0, 0.15, 2)

    def at(side: int, times: Array) -> Array:
        beats = beat_of(times)
        turn = (beats if single_hand is not None else (beats - side) / 2) % 1.0
        empty = turn < 1 - dwell
        angle = np.pi * np.where(empty, turn / (1 - dwell), 1 + (turn - 1 + dwell) / dwell)
        sign = 1.0 if side else -1.0
        way = towards * np.array([1.0, 1.0, sign])
        return centres[side] + shares[side] * (
            wide * np.cos(angle)[:, None] * way + (high * np.sin(angle))[:, None] * np.array([0.0, 1.0, 0.0])
        )

    return at


def _flight(start: Array, end: Array, share: Array, seconds: float, bounce: bool) -> Array:
    """Return a ball's place [T, 3] after `share` [T] of a flight of `seconds`: on a parabola, or bounced off the
    floor."""
    path = start + share[:, None] * (end - start)
    if not bounce:
        path[:, 1] += 0.5 * FALL * seconds**2 * share * (1 - share)
        return path
    depth, half = FLOOR_BELOW + 0.5 * float(start[0, 1] + end[0, 1]) - 0.1, seconds / 2
    # Down in the first half and up in the second, symmetrically.
    since = half * (1 - abs(1 - 2 * share))
    down = (depth - 0.5 * FALL * half**2) / half
    path[:, 1] -= down * since + 0.5 * FALL * since**2
    return path


def _balls(
    pattern: tuple[int, ...],
    times: Array,
    instants: Array,
    hand: _HandAt,
    dwell: float,
    single_hand: int | None,
    bounce: bool,
) -> list[Array]:
    """Return the paths [T, 3] of all balls, followed from throw to throw."""
    per = 1 if single_hand is not None else 2
    side_of = (lambda beat: single_hand) if single_hand is not None else (lambda beat: beat % 2)
    beats = np.arange(len(instants))
    landing: dict[int, int] = {}
    paths: list[Array] = []
    for beat in range(len(instants) - max(pattern) - 1):
        height = pattern[beat % len(pattern)]
        if height == 0:
            continue
        number = landing.pop(beat, len(paths))
        if number == len(paths):
            paths.append(hand(side_of(beat), times) + 0.0)
        landing[beat + height] = number
        thrown, again = float(instants[beat]), float(instants[beat + height])
        if again < times[0] or thrown > times[-1]:
            continue
        caught = float(np.interp(beat + max(height - per * dwell, 0.45 * height), beats, instants))
        if height == per:
            caught = thrown  # held
        source, target = side_of(beat), side_of(beat + height)
        rests = (times >= caught) & (times <= again)
        paths[number][rests] = hand(target, times[rests])
        flies = (times >= thrown) & (times < caught)
        if flies.any():
            start, end = hand(source, np.array([thrown])), hand(target, np.array([caught]))
            share = (times[flies] - thrown) / (caught - thrown)
            paths[number][flies] = _flight(start, end, share, caught - thrown, bounce)
    return paths


def by_notation(one_handed: bool = False, over_the_floor: bool = False) -> Callable[[Rng, Array], Movement]:
    """Juggle any of `PATTERNS`, or two balls in one hand, or all bounced off the floor."""

    def make(rng: Rng, times: Array) -> Movement:
        movement = stance(rng, times, rng.uniform(0.1, 0.25), 0.6) if over_the_floor else _base(rng, times)
        single_hand = 1 if one_handed else None
        pattern = (2,) if one_handed else PATTERNS[int(rng.integers(len(PATTERNS)))]
        if over_the_floor:
            pattern = (3,)
        rate = rng.uniform(1.3, 2.4) if one_handed else rng.uniform(2.0, 4.4) * (1.15 if max(pattern) > 4 else 1.0)
        if over_the_floor:
            rate = rng.uniform(2.2, 3.4)
        dwell = rng.uniform(0.3, 0.62)
        count = int(rate * (times[-1] - times[0] + 8)) + 12
        gaps = (1 + 0.06 * rng.standard_normal(count)).clip(0.7, 1.3) / rate
        instants = times[0] - 4.0 + np.cumsum(gaps)
        numbers = np.arange(count)
        height = rng.uniform(-0.5, -0.15) if over_the_floor else rng.uniform(-0.72, 0.25)
        ahead, wide = rng.uniform(0.32, 0.6), rng.uniform(0.14, 0.5)
        centres = np.array([[ahead, height, -wide], [ahead, height, wide]]) + rng.normal(0, 0.03, (2, 3))
        hand = _hands(rng, centres, lambda at: np.interp(at, instants, numbers), dwell, single_hand)
        if one_handed:
            place_arm(rng, movement, 0, str(rng.choice(["hang", "hip", "pocket", "hang_loose"])), times)
        for side in (1,) if one_handed else (0, 1):
            reach_across(movement, side, hand(side, times), 1.0, rng.normal(0.0, 0.15))
        for path in _balls(pattern, times, instants, hand, dwell, single_hand, over_the_floor):
            path[:, 1] += 0.1
            movement.props.append(Prop("ball", "free", np.ones_like(times), path, thing=0))
        turn_chest(movement.poses, rng.normal(0.0, 0.08), drift(rng, times, 0.06))
        turn_head(
            movement.poses,
            rng.uniform(0.0, 0.4) if over_the_floor else rng.uniform(-0.45, 0.15),
            drift(rng, times, 0.08),
        )
        movement.action, movement.labels = "juggle", None
        movement.tags[:, TAG_INDEX["throw_r"]] = 1.0
        movement.tags[:, TAG_INDEX["throw_l"]] = 0.0 if one_handed else 1.0
        return movement

    return make


def simultaneous(rng: Rng, times: Array) -> Movement:
    """Throw with both hands together; the two balls cross, one in front of the other, and are caught together."""
    movement = _base(rng, times)
    seconds, dwell = rng.uniform(0.7, 1.9), rng.uniform(0.25, 0.55)
    clock = times / seconds + rng.random()
    count, phase = np.floor(clock), clock % 1.0
    at = np.array([rng.uniform(0.35, 0.6), rng.uniform(-0.7, 0.1), rng.uniform(0.14, 0.4)])
    bob, aside = rng.uniform(0.04, 0.22), rng.uniform(-0.1, 0.1)
    # Down with the ball after the catch and up to the throw; a little up again while the hands wait.
    lift = np.where(phase < dwell, -np.sin(np.pi * phase / dwell), 0.5 * np.sin(np.pi * (phase - dwell) / (1 - dwell)))
    hands = [
        at * np.array([1.0, 1.0, sign]) + np.stack([0 * lift, bob * lift, sign * aside * lift], -1)
        for sign in (-1.0, 1.0)
    ]
    rest = [at * np.array([1.0, 1.0, sign]) for sign in (-1.0, 1.0)]
    share = np.clip((phase - dwell) / (1 - dwell), 0, 1)
    passing = rng.uniform(0.08, 0.2)
    for number, depth in ((0, passing), (1, -passing)):
        from_right = ((count + number) % 2 == 1)[:, None]
        start, end = np.where(from_right, rest[1], rest[0]), np.where(from_right, rest[0], rest[1])
        held = np.where(from_right, hands[1], hands[0])
        flying = start + share[:, None] * (end - start)
        flying[:, 1] += 0.5 * FALL * ((1 - dwell) * seconds) ** 2 * share * (1 - share)
        flying[:, 0] += depth * np.sin(np.pi * share)
        path = np.where((phase < dwell)[:, None], held, flying) + np.array([0.0, 0.1, 0.0])
        movement.props.append(Prop("ball", "free", np.ones_like(times), path, thing=0))
    for side in (0, 1):
        reach_across(movement, side, hands[side], 1.0, rng.normal(0.0, 0.15))
    turn_head(movement.poses, rng.uniform(-0.4, 0.15), drift(rng, times, 0.06))
    movement.action, movement.labels = "juggle", None
    movement.tags[:, [TAG_INDEX["throw_l"], TAG_INDEX["throw_r"]]] = 1.0
    return movement


STYLES: tuple[Style, ...] = (
    Style("juggle", "notation", by_notation(), 2.0, source="siteswaps"),
    Style("juggle", "one_handed", by_notation(one_handed=True), 0.8, source="siteswaps"),
    Style("juggle", "bounced", by_notation(over_the_floor=True), 0.8, source="siteswaps"),
    Style("juggle", "at_once", simultaneous, 1.2),
)
