"""Further kinds of waves: anywhere around the body, large and small, quick and slow, with one or both arms.

Each is an overlay (`training.synthetic.motion.gesture`). A hand that moves to and fro makes a wave, wherever it is:
above or below the shoulder, stretched or bent, ahead or to the side.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.motion.gesture import Gesture, tag_hand
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import Movement, Rng, drift, turn_chest, turn_head
from training.synthetic.motion.reaching import (
    HALF_WIDTH,
    bones,
    clear_of_body,
    direction,
    log_uniform,
    reach,
    rhythm,
    turned,
    unit,
    wobble,
)


def _sides(rng: Rng, both: float) -> tuple[int, ...]:
    return (0, 1) if rng.random() < both else (int(rng.integers(2)),)


def _swing(rng: Rng, cycles: Array) -> Array:
    """Return an oscillation [T] in [−1, 1] over `cycles` [T].

    It is even, or quicker one way, or stops at the ends, and its strokes differ in length.
    """
    lean = rng.uniform(-0.35, 0.35)
    phase = 2 * np.pi * cycles
    swing = np.sin(phase + lean * np.sin(phase))
    stop = rng.uniform(0.0, 1.2)
    if stop > 0.3:
        swing = np.tanh(stop * 1.5 * swing) / np.tanh(stop * 1.5)
    return swing * (1 - rng.uniform(0.0, 0.4) * (0.5 + 0.5 * np.sin(2 * np.pi * cycles / rng.uniform(2.3, 5.0))))


def _sway(rng: Rng, movement: Movement, times: Array, weight: Array, swing: Array) -> None:
    """Let the trunk and the head take part in a wave, a little or not at all, in place."""
    if rng.random() < 0.5:
        yaw, roll = rng.normal(0, 0.12, 2)
        turn_chest(movement.poses, drift(rng, times, 0.04) * weight, yaw * swing * weight, roll * swing * weight)
    if rng.random() < 0.3:
        turn_head(movement.poses, rng.normal(0, 0.15) * weight, rng.normal(0, 0.4) * weight)


def lissajous(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Wave with the wrist along a line, an arc, an eight or a ring around any centre in front of, beside or above the
    body."""
    sides = _sides(rng, 0.25)
    # Seen from the shoulder: from belly height to overhead, from across the body to far aside.
    azimuth, elevation = rng.uniform(-0.25, 1.7), np.arcsin(rng.uniform(-0.55, 1.0))
    centre = rng.uniform(0.4, 0.9) * direction(azimuth, elevation)
    size = log_uniform(rng, 0.06, 0.6)
    # Mostly sideways as seen from the front; seldom up and down.
    tilt = rng.normal(0, 0.3) if rng.random() < 0.85 else rng.uniform(0.8, 2.3)
    main = unit(np.array([rng.normal(0, 0.25), np.sin(tilt), np.cos(tilt)]))
    other = unit(np.cross(main, rng.normal(0, 1, 3)))
    ratio, lag = float(rng.choice([1.0, 2.0])), rng.uniform(0, 2 * np.pi)
    minor = rng.uniform(0.0, 0.5) * size * (ratio == 1.0 or rng.random() < 0.7)
    cycles = rhythm(rng, times, min(rng.uniform(0.5, 3.6), 0.9 / size + 0.4))
    swivel, apart = rng.normal(0.1, 0.3), float(rng.choice([0.0, 0.0, 0.5, rng.random()]))
    for side in sides:
        own = cycles + apart * side
        # Both arms move as mirror images or the same way.
        way = main * (np.array([1.0, 1.0, -1.0]) if side and rng.random() < 0.5 else 1.0)
        swing = _swing(rng, own)
        path = centre + size * swing[:, None] * way + minor * np.sin(2 * np.pi * ratio * own + lag)[:, None] * other
        path = path + np.array([0.0, 0.0, HALF_WIDTH]) + wobble(rng, times, 0.02)
        reach(movement, side, path, weight, swivel)
        tag_hand(movement, "wave", side, weight)
        if side == sides[0]:
            _sway(rng, movement, times, weight, swing)


def wiper(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Wave with the forearm like a windscreen wiper; the upper arm is still at any height, and the elbow is bent by
    more or less than a right angle."""
    sides = _sides(rng, 0.2)
    cycles = rhythm(rng, times, rng.uniform(0.6, 3.2))
    size = log_uniform(rng, 0.12, 0.9)
    elevation, azimuth = rng.uniform(-1.35, 0.5), rng.uniform(0.2, 1.7)
    bend = rng.uniform(0.9, 2.3)  # angle by which the elbow is bent
    middle = rng.normal(0.0, 0.35)
    for side in sides:
        upper = unit(direction(azimuth, elevation) + wobble(rng, times, 0.03))
        # The forearm sways around the direction perpendicular to the upper arm that is nearest to up.
        up = np.array([0.25, 1.0, 0.0])
        across = unit(up - (upper * up).sum(-1, keepdims=True) * upper)
        angle = middle + size * _swing(rng, cycles + 0.5 * side * (rng.random() < 0.3))
        fore = np.cos(bend) * upper + np.sin(bend) * turned(across, upper, angle)
        bones(movement, side, upper, _clear_of_body(upper, fore), weight)
        tag_hand(movement, "wave", side, weight)


def _clear_of_body(upper: Array, fore: Array) -> Array:
    """Return the forearm's direction [T, 3], turned so that the hand is outside the body."""
    shoulder = np.array([0.0, 0.0, HALF_WIDTH])
    hand = clear_of_body(shoulder + 0.55 * upper + 0.45 * fore)
    return unit(hand - shoulder - 0.55 * upper)


def beckon(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Beckon: the forearm folds towards the body and opens again, palm up or fingers down, low or high."""
    side = int(rng.integers(2))
    azimuth, elevation = rng.uniform(-0.1, 1.0), rng.uniform(-1.2, 0.5)
    upper = unit(direction(azimuth, elevation) + wobble(rng, times, 0.03))
    middle, size = rng.uniform(0.7, 1.5), rng.uniform(0.15, 0.6)
    swing = _swing(rng, rhythm(rng, times, rng.uniform(0.7, 2.6), rests=0.4))
    flexion = np.clip(middle + size * swing, 0.05, 2.4)
    # The forearm folds upwards, or, with the fingers down, inwards before the chest.
    way = np.array([0.15, 1.0, -rng.uniform(0.0, 0.9)]) if rng.random() < 0.75 else np.array([0.2, 0.3, -1.0])
    across = unit(way - (upper * way).sum(-1, keepdims=True) * upper)
    fore = np.cos(flexion)[:, None] * upper + np.sin(flexion)[:, None] * across
    bones(movement, side, upper, _clear_of_body(upper, fore), weight)
    tag_hand(movement, "wave", side, weight)
    _sway(rng, movement, times, weight, swing)


def semaphore(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Signal with nearly stretched arms beside the body: up and down in the plane of the shoulders or oblique to it,
    one arm or both, together or alternately."""
    sides = _sides(rng, 0.75)
    size = rng.uniform(0.2, 0.9)
    middle = rng.uniform(-0.55 + size, max(1.45 - size, -0.5 + size))
    plane, reaches = rng.uniform(-0.15, 0.9), rng.uniform(0.82, 0.97)
    cycles = rhythm(rng, times, min(rng.uniform(0.35, 1.8), 1.1 / size))
    lag, swivel = float(rng.choice([0.0, 0.0, 0.5, 0.25])), rng.normal(0.0, 0.3)
    for side in sides:
        elevation = middle + size * _swing(rng, cycles + lag * side) + drift(rng, times, 0.05)
        path = reaches * direction(np.pi / 2 - plane, elevation) + np.array([0.0, 0.0, HALF_WIDTH])
        reach(movement, side, path, weight, swivel)
        tag_hand(movement, "wave", side, weight)
    if rng.random() < 0.4:
        turn_chest(movement.poses, drift(rng, times, 0.1) * weight, 0.0, rng.normal(0, 0.1) * weight)


def about_the_shoulder(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Sway the whole arm, bent or stretched, about the shoulder in any direction; sometimes the hand moves in rings."""
    side = int(rng.integers(2))
    mean = direction(rng.uniform(-0.1, 1.9), np.arcsin(rng.uniform(-0.35, 0.98)))
    # About an axis between "straight ahead" and "up", so that the hand moves sideways.
    axis = rng.normal(0, 0.3, 3) + (np.array([1.0, 0.0, 0.0]) if abs(mean[1]) > 0.6 else np.array([0.4, 1.0, 0.0]))
    axis = unit(axis - (axis @ mean) * mean)
    size = log_uniform(rng, 0.1, 0.75)
    cycles = rhythm(rng, times, min(rng.uniform(0.5, 3.0), 0.9 / size + 0.3))
    swing = _swing(rng, cycles)
    way = turned(np.broadcast_to(mean, (len(times), 3)), axis, size * swing)
    ring = rng.uniform(0.2, 0.9) if rng.random() < 0.3 else rng.uniform(0.0, 0.15)
    second = unit(np.cross(axis, mean))
    way = turned(way, unit(np.cross(second, mean)), 0.2 * size * swing)
    way = unit(way + ring * size * np.cos(2 * np.pi * cycles)[:, None] * axis)
    path = way * (rng.uniform(0.55, 0.97) + drift(rng, times, 0.02))[:, None] + np.array([0.0, 0.0, HALF_WIDTH])
    reach(movement, side, path, weight, rng.normal(0.1, 0.35))
    tag_hand(movement, "wave", side, weight)
    _sway(rng, movement, times, weight, swing)


def turned_away(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Wave goodbye while leaving: trunk and head may turn back, and the hand waves at the side or over the shoulder,
    half hidden by the body."""
    side = int(rng.integers(2))
    back = rng.uniform(0.2, 0.8) if rng.random() < 0.6 else 0.0
    turn = -back if side else back  # towards the waving hand
    turn_chest(movement.poses, 0.0, 0.6 * turn * weight)
    turn_head(movement.poses, 0.0, turn * weight)
    cycles = rhythm(rng, times, rng.uniform(0.8, 3.0), rests=0.4)
    swing = _swing(rng, cycles)
    size = log_uniform(rng, 0.07, 0.35)
    centre = rng.uniform(0.5, 0.9) * direction(rng.uniform(1.2, 2.3), rng.uniform(-0.2, 1.2))
    aside = unit(np.cross(centre, np.array([0.0, 1.0, 0.0])) + rng.normal(0, 0.2, 3))
    path = centre + size * swing[:, None] * aside - 0.3 * size * (swing**2)[:, None] * np.array([0.0, 1.0, 0.0])
    reach(movement, side, path + np.array([0.0, 0.0, HALF_WIDTH]), weight, rng.normal(0.0, 0.25))
    tag_hand(movement, "wave", side, weight)


GESTURES: tuple[Gesture, ...] = (
    Gesture("lissajous_wave", "wave", lissajous, 2.4),
    Gesture("wiper", "wave", wiper, 2.0),
    Gesture("beckon", "wave", beckon, 0.9),
    Gesture("semaphore", "wave", semaphore, 1.2),
    Gesture("about_the_shoulder", "wave", about_the_shoulder, 1.8),
    Gesture("turned_away", "wave", turned_away, 1.2),
)
