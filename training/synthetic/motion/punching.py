"""Further kinds of punches: combinations from any guard, hammering, chains, slow and weak blows.

Each is an overlay (`training.synthetic.motion.gesture`). Tags mark when a fist strikes; between blows the hands are in
a guard or hang.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synthetic.motion.gesture import Gesture, free_hand, tag_hand
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import TAG_INDEX, Movement, Rng, drift, turn_chest
from training.synthetic.motion.reaching import HALF_WIDTH, keyed, log_uniform, reach, rhythm, wobble

GUARDS: tuple[tuple[float, float, float], ...] = (
    (0.38, 0.08, 0.16), (0.34, 0.16, 0.2), (0.42, -0.1, 0.14), (0.34, -0.35, 0.2), (0.3, -0.6, 0.3), (0.2, -0.85, 0.45),
)  # fmt: skip
"""Places of a waiting fist (points as in `training.synthetic.motion.reaching`): at the chin, the cheek, the chest, the
hip, hanging."""


@dataclass(frozen=True, slots=True)
class Blow:
    """A blow: where the fist draws back to, where it hits, how the trunk moves at the hit (turned in, bent forwards,
    bent sideways, in radians), and how far out the elbow goes."""

    back: tuple[float, float, float]
    hit: tuple[float, float, float]
    turn: float
    bend: float = 0.05
    aside: float = 0.0
    swivel: float = 0.0


BLOWS: dict[str, Blow] = {
    "jab": Blow((0.34, 0.05, 0.2), (0.95, 0.1, 0.12), 0.2),
    "cross": Blow((0.26, 0.05, 0.26), (0.96, 0.08, -0.02), 0.6, 0.1),
    "hook": Blow((0.3, 0.0, 0.62), (0.56, 0.12, -0.12), 0.7, 0.0, 0.0, 0.9),
    "uppercut": Blow((0.32, -0.55, 0.25), (0.5, 0.3, 0.0), 0.4, -0.05, -0.1),
    "body": Blow((0.3, -0.3, 0.35), (0.78, -0.48, 0.0), 0.5, 0.35, -0.1, 0.3),
    "overhand": Blow((0.1, 0.25, 0.5), (0.82, 0.15, 0.0), 0.6, 0.2, -0.15, 0.6),
    "backfist": Blow((0.35, 0.05, -0.2), (0.55, 0.1, 0.9), -0.5, 0.0, 0.0, 0.3),
    "hammer": Blow((0.15, 0.65, 0.3), (0.7, -0.2, 0.1), 0.2, 0.25),
    "elbow_high": Blow((0.15, -0.1, 0.6), (0.85, 0.3, 0.2), 0.4, 0.0, 0.0, 0.8),
}


def _guard(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Hold both fists in a guard, each at its own place, and bob."""
    low = int(rng.integers(len(GUARDS)))
    for side in (0, 1):
        if rng.random() < 0.3:
            low = int(rng.integers(len(GUARDS)))
        place = np.array(GUARDS[low]) + rng.normal(0, 0.05, 3)
        reach(movement, side, place + wobble(rng, times, 0.04, 0.5), weight, rng.normal(0, 0.2))
        free_hand(movement, side, weight)
    bob = drift(rng, times, 0.08, 2.5, 0.6) * weight
    turn_chest(movement.poses, rng.uniform(0.0, 0.2) * weight + 0.5 * bob, rng.normal(0, 0.25) * weight, bob)


def strike(
    rng: Rng, movement: Movement, times: Array, weight: Array, side: int, blow: Blow, at: float, seconds: float,
    size: float = 1.0, load: float = 0.5,
) -> float:  # fmt: skip
    """Add one blow that begins at `at` and lasts `seconds`, at `size` of its full length, in place. Returns its end."""
    draw, out = rng.uniform(0.05, 0.35) * seconds * (load > 0), rng.uniform(0.25, 0.4) * seconds
    hit_at, stays = at + draw + out, rng.uniform(0.02, 0.1) * seconds
    end = at + draw + out + stays + rng.uniform(0.4, 0.6) * seconds
    own = keyed(times, (at, at + max(draw, 0.35 * out), hit_at + stays, end), (0, 1, 1, 0))
    go = keyed(times, (at + draw, hit_at), (0, 1))
    start, hit = np.array(blow.back), np.array(blow.hit) + rng.normal(0, [0.04, 0.12, 0.08])
    hit = start + size * (hit - start)
    bulge = np.sin(np.pi * go)[:, None] * rng.normal(0, 0.08, 3)
    reach(movement, side, start + go[:, None] * (hit - start) + bulge, weight * own, blow.swivel + rng.normal(0, 0.15))
    inwards = (1.0 if side else -1.0) * blow.turn * size * rng.uniform(0.3, 1.2)
    twist = keyed(times, (at, at + 0.6 * draw + 0.05, hit_at, end), (0, -0.4 * load, 1, 0)) * weight
    turn_chest(movement.poses, blow.bend * twist, inwards * twist, (1.0 if side else -1.0) * blow.aside * twist)
    near = weight * ((times > at - 0.15) & (times < end + 0.15))
    column = TAG_INDEX["strike_l"] + side
    movement.tags[:, column] = np.maximum(movement.tags[:, column], near)
    return end


def combinations(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Punch in series of blows of all kinds with pauses between them, from any guard, quick or slow, full or only
    indicated."""
    _guard(rng, movement, times, weight)
    names = list(BLOWS)
    liked = [names[int(rng.integers(len(names)))] for _ in range(int(rng.integers(1, 6)))]
    seconds = log_uniform(rng, 0.28, 1.1)
    size, gap, changes = rng.uniform(0.35, 1.0), rng.uniform(-0.1, 0.25), rng.uniform(0.2, 1.0)
    side, at, left = int(rng.integers(2)), times[0] - rng.uniform(0, 0.6), int(rng.integers(1, 5))
    while at < times[-1]:
        blow = BLOWS[liked[int(rng.integers(len(liked)))]]
        pace = seconds * rng.uniform(0.8, 1.25)
        at = strike(rng, movement, times, weight, side, blow, at, pace, size * rng.uniform(0.8, 1.0)) + gap * seconds
        left -= 1
        if left == 0:
            at, left = at + log_uniform(rng, 0.1, 1.0), int(rng.integers(1, 5))
        if rng.random() < changes:
            side = 1 - side


def hammering(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Hammer with fists on something in front of the body, or on a door: with one, both, or alternately."""
    sides = (0, 1) if rng.random() < 0.4 else (int(rng.integers(2)),)
    if rng.random() < 0.6:
        _guard(rng, movement, times, weight)
    cycles = rhythm(rng, times, log_uniform(rng, 0.7, 3.5), rests=0.3)
    door = rng.random() < 0.4
    hit = np.array([rng.uniform(0.55, 0.9), rng.uniform(-0.1, 0.45) if door else rng.uniform(-0.7, 0.05), 0.1])
    size = log_uniform(rng, 0.15, 0.9)
    away = np.array([-0.7, 0.5, 0.2]) if door else np.array([rng.uniform(-0.5, 0.0), 1.0, 0.1])
    lag = float(rng.choice([0.0, 0.5]))
    lean = np.zeros_like(times)
    for side in sides:
        phase = (cycles + lag * side) % 1.0
        lift = np.sin(np.pi * phase ** rng.uniform(0.6, 0.9)) ** 0.8  # down quicker than up
        reach(
            movement, side, hit + size * lift[:, None] * away + wobble(rng, times, 0.02), weight, rng.normal(0.1, 0.25)
        )
        tag_hand(movement, "strike", side, weight)
        lean += (1 - lift) / len(sides)
    turn_chest(movement.poses, rng.uniform(0.0, 0.35) * size * lean * weight)


def chains(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Roll the fists in front of the chest or face, each going out over the returning one: chain punches, a speed
    ball."""
    cycles = rhythm(rng, times, log_uniform(rng, 0.8, 3.2), rests=0.25)
    middle = np.array([rng.uniform(0.45, 0.72), rng.uniform(-0.4, 0.35), rng.uniform(0.0, 0.25)])
    far, high = log_uniform(rng, 0.07, 0.3), rng.uniform(0.02, 0.15) * rng.choice([-1.0, 1.0])
    lag = 0.5 + rng.normal(0, 0.05)
    for side in (0, 1):
        angle = 2 * np.pi * (cycles + lag * side)
        ring = np.stack([far * np.cos(angle), high * np.sin(angle), -0.3 * far * np.cos(angle)], -1)
        reach(movement, side, middle + ring + wobble(rng, times, 0.02), weight, rng.normal(0.0, 0.2))
        tag_hand(movement, "strike", side, weight)
    twist = rng.uniform(0.0, 0.3) * far / 0.3
    turn_chest(movement.poses, rng.uniform(0.0, 0.2) * weight, -twist * np.cos(2 * np.pi * cycles) * weight)


def from_the_hip(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Punch from the hip while the other fist is pulled back to it, then change sides; each blow is held for a moment,
    as in a drill."""
    period = log_uniform(rng, 0.5, 2.0)
    cycles = rhythm(rng, times, 0.5 / period, rests=0.1, unsteady=0.12)
    move = min(rng.uniform(0.18, 0.4) / period, 0.8) / 2  # of a cycle of two blows
    hit = np.array([rng.uniform(0.75, 0.97), rng.uniform(-0.4, 0.3), rng.uniform(-0.05, 0.15)])
    hip = np.array([rng.uniform(0.0, 0.25), rng.uniform(-0.62, -0.4), rng.uniform(0.4, 0.5)])
    phase = cycles % 1.0
    right = keyed(phase, (0.0, move, 0.5, 0.5 + move), (0, 1, 1, 0))
    turn = rng.uniform(0.05, 0.4) * (2 * right - 1)
    turn_chest(movement.poses, rng.uniform(-0.05, 0.15) * weight, turn * weight)
    for side, out in ((0, 1 - right), (1, right)):
        reach(movement, side, hip + out[:, None] * (hit - hip) + wobble(rng, times, 0.015), weight, rng.normal(0, 0.1))
        tag_hand(movement, "strike", side, weight)


def sideways(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Punch with one arm while the trunk is turned: straight blows to the side or swings, small or large."""
    side = int(rng.integers(2))
    _guard(rng, movement, times, weight)
    trunk_turn = (1.0 if side else -1.0) * rng.uniform(-0.7, 0.2)
    turn_chest(movement.poses, 0.05 * weight, trunk_turn * weight)
    azimuth, elevation = rng.uniform(0.0, 1.4), rng.uniform(-0.6, 0.5)
    level = np.cos(elevation)
    hit = rng.uniform(0.75, 0.96) * np.array([level * np.cos(azimuth), np.sin(elevation), level * np.sin(azimuth)])
    hit = hit + np.array([0.0, 0.0, HALF_WIDTH])
    swivel, turn = rng.uniform(-0.1, 0.9), rng.uniform(0.1, 0.5)
    back = np.array([rng.uniform(0.1, 0.4), rng.uniform(-0.4, 0.2), rng.uniform(0.2, 0.7)])
    blow = Blow(tuple(back.tolist()), tuple(hit.tolist()), turn, 0.0, 0.0, swivel)
    seconds, at = log_uniform(rng, 0.3, 0.9), times[0] - rng.uniform(0, 0.6)
    while at < times[-1]:
        at = strike(
            rng, movement, times, weight, side, blow, at, seconds * rng.uniform(0.8, 1.2), rng.uniform(0.5, 1.0)
        )
        at += log_uniform(rng, 0.05, 0.8)


GESTURES: tuple[Gesture, ...] = (
    Gesture("combinations", "punch", combinations, 2.4, source="blows"),
    Gesture("hammering", "punch", hammering, 1.6),
    Gesture("chains", "punch", chains, 1.4),
    Gesture("from_the_hip", "punch", from_the_hip, 1.4),
    Gesture("sideways_blows", "punch", sideways, 1.2, source="blows"),
)
