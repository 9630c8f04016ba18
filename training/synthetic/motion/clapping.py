"""Further kinds of clapping: at any place and in any direction, one hand still, arms stretched, slow, hidden.

Each is an overlay (`training.synthetic.motion.gesture`) in which the hands meet repeatedly.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.motion.gesture import Gesture, tag_hand
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import Movement, Rng, drift, set_arm, turn_chest, turn_head
from training.synthetic.motion.reaching import (
    HALF_WIDTH,
    direction,
    elbow_of,
    log_uniform,
    reach_across,
    rhythm,
    unit,
    wobble,
)

CONTACT = 0.045
"""Half the distance of wrists whose palms meet, in arm lengths."""


def _opening(rng: Rng, cycles: Array) -> Array:
    """Return how far apart the hands are [T], in [0, 1], over `cycles` [T]: 0 at every whole cycle.

    They may rest together or apart, and rebound sharply or softly.
    """
    phase = cycles % 1.0
    closed = rng.choice([0.0, rng.uniform(0.0, 0.35)])
    along = np.clip((phase - closed / 2) / (1 - closed), 0.0, 1.0)
    peak = rng.uniform(0.35, 0.65)  # opens quicker than it closes, or slower
    along = np.where(along < peak, 0.5 * along / peak, 0.5 + 0.5 * (along - peak) / (1 - peak))
    return np.sin(np.pi * along) ** rng.uniform(0.6, 1.6)


def _nod(rng: Rng, movement: Movement, times: Array, weight: Array, open_: Array) -> None:
    """Let the trunk and the head of some people keep the beat, in place."""
    if rng.random() < 0.5:
        turn_chest(movement.poses, rng.normal(0, 0.06) * open_ * weight, drift(rng, times, 0.15) * weight)
    if rng.random() < 0.4:
        turn_head(movement.poses, (rng.uniform(0.0, 0.25) * (1 - open_) + rng.normal(0, 0.1)) * weight, 0.0)


def _applaud(movement: Movement, weight: Array) -> None:
    for side in (0, 1):
        tag_hand(movement, "applaud", side, weight)


def anywhere(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Clap at any place from the belly to above the head, ahead or to the side, along any line; one hand may move more
    than the other or alone."""
    elevation, azimuth = rng.uniform(-1.05, 1.35), rng.uniform(-0.9, 0.9)
    middle = rng.uniform(0.42, 0.78) * direction(azimuth, elevation) + wobble(rng, times, 0.03)
    size = log_uniform(rng, 0.06, 0.5)
    rate = min(rng.uniform(0.5, 4.6), 1.0 / size + 0.3)
    open_ = _opening(rng, rhythm(rng, times, rate, rests=0.15))
    line = unit(np.array([rng.normal(0, 0.35), rng.normal(0, 0.45), 1.0]))
    share = rng.choice([0.5, rng.uniform(0.0, 1.0), 0.0, 1.0])  # the right hand's share of the movement
    swivel = rng.normal(0.15, 0.3)
    for side, sign, own in ((0, -1.0, 1 - share), (1, 1.0, share)):
        path = middle + sign * (CONTACT + 2 * own * size * open_)[:, None] * line
        reach_across(movement, side, path, weight, swivel)
    _applaud(movement, weight)
    _nod(rng, movement, times, weight, open_)


def stretched(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Clap with nearly straight arms about the shoulders: in front of the body, obliquely up, or from the sides to
    above the head."""
    size = log_uniform(rng, 0.15, 1.2)
    rate = min(rng.uniform(0.4, 2.4), 1.3 / size)
    open_ = _opening(rng, rhythm(rng, times, rate, rests=0.15))
    length = rng.uniform(0.8, 0.97)
    # The plane in which the arms open, from level before the chest (0) to upright beside the head (π/2).
    elevation = rng.uniform(-0.6, 1.35)
    inwards = np.arcsin((HALF_WIDTH - CONTACT) / length)
    angle = size * open_ - inwards
    ahead = np.cos(angle) * length
    drop = rng.uniform(-0.4, 0.7) * length * np.clip(np.sin(size * open_), 0, None)  # opening also lowers them
    wrist = np.stack([ahead * np.cos(elevation), ahead * np.sin(elevation) - drop, np.sin(angle) * length], -1)
    wrist = wrist + wobble(rng, times, 0.015) * np.array([1.0, 1.0, 0.0])
    wrist = wrist * (length / np.linalg.norm(wrist, axis=-1))[:, None]
    for side in (0, 1):
        set_arm(movement.poses, side, wrist, elbow_of(wrist, 0.1), weight)
    _applaud(movement, weight)
    _nod(rng, movement, times, weight, open_)


def by_the_elbows(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Clap with hands close to the chest or chin that hardly part, while the elbows rise and fall."""
    middle = np.array([rng.uniform(0.32, 0.5), rng.uniform(-0.45, 0.2), rng.normal(0, 0.08)])
    middle = middle + wobble(rng, times, 0.025)
    size = log_uniform(rng, 0.04, 0.16)
    open_ = _opening(rng, rhythm(rng, times, rng.uniform(0.8, 4.5)))
    down, out = np.array([-0.2, -1.0, 0.35]), np.array([-0.1, rng.uniform(-0.5, 0.2), 1.0])
    moves = rng.uniform(0.3, 1.0)
    for side, sign in ((0, -1.0), (1, 1.0)):
        path = middle + sign * (CONTACT + size * open_)[:, None] * np.array([0.0, 0.0, 1.0])
        reach_across(movement, side, path, weight)
        wrist = path * np.array([1.0, 1.0, sign]) - np.array([0.0, 0.0, HALF_WIDTH])
        set_arm(movement.poses, side, wrist, down + (moves * open_)[:, None] * (out - down), weight)
    _applaud(movement, weight)
    _nod(rng, movement, times, weight, open_)


def solemn(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Clap slowly: the hands part, hang in the air, fall together and stay so for a moment."""
    period = rng.uniform(0.8, 2.4)
    cycles = rhythm(rng, times, 1 / period, rests=0.05, unsteady=0.12)
    phase, close = cycles % 1.0, rng.uniform(0.12, 0.4)
    rises, stays = rng.uniform(0.15, 0.35), rng.uniform(0.05, 0.3)
    span = np.clip(np.array([0.0, rises, max(1 - close, rises + 0.05), 1.0]) + np.array([stays, stays, 0, 0]), 0, 1)
    span = np.maximum.accumulate(span + 1e-3 * np.arange(4))
    x = np.interp(phase, span, (0.0, 1.0, 1.0, 0.0))
    open_ = x * x * (3 - 2 * x)
    size, lift = rng.uniform(0.1, 0.45), rng.normal(0, 0.15)
    middle = np.array([rng.uniform(0.35, 0.62), rng.uniform(-0.6, 0.15), rng.normal(0, 0.08)])
    for side, sign in ((0, -1.0), (1, 1.0)):
        way = np.array([rng.normal(0, 0.1), lift + rng.normal(0, 0.1), sign])
        path = middle + sign * CONTACT * np.array([0.0, 0.0, 1.0]) + (size * open_)[:, None] * way
        reach_across(movement, side, path + 0 * weight[:, None], weight, rng.normal(0.1, 0.15))
    _applaud(movement, weight)
    _nod(rng, movement, times, weight, open_)


def cymbals(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Clap with hands that brush past each other where they meet, one going up as the other goes down, in rings."""
    cycles = rhythm(rng, times, rng.uniform(0.6, 2.8), rests=0.15)
    angle = 2 * np.pi * cycles
    wide, high = rng.uniform(0.08, 0.35), rng.uniform(0.04, 0.3) * rng.choice([-1.0, 1.0])
    middle = np.array([rng.uniform(0.35, 0.62), rng.uniform(-0.5, 0.6), rng.normal(0, 0.1)]) + wobble(rng, times, 0.03)
    tilt = rng.normal(0, 0.4)
    for side, sign in ((0, -1.0), (1, 1.0)):
        # At whole cycles the hands are nearest, at the same height, and pass each other.
        out = CONTACT + wide * (0.5 - 0.5 * np.cos(angle))
        past = sign * high * np.sin(angle)
        path = middle + np.stack([past * np.sin(tilt), past * np.cos(tilt), sign * out], -1)
        reach_across(movement, side, path, weight, rng.normal(0.1, 0.2))
    _applaud(movement, weight)
    _nod(rng, movement, times, weight, 0.5 - 0.5 * np.cos(angle))


GESTURES: tuple[Gesture, ...] = (
    Gesture("clap_anywhere", "clap", anywhere, 2.4),
    Gesture("stretched_clap", "clap", stretched, 1.6),
    Gesture("elbow_clap", "clap", by_the_elbows, 1.4),
    Gesture("solemn_clap", "clap", solemn, 1.2),
    Gesture("cymbals", "clap", cymbals, 1.0),
)
