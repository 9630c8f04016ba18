"""Larger errors of a keypoint detector: guessed hidden joints, swapped sides and neighbours, unreadable people.

Each was observed on footage (docs/training.md): a hidden leg is drawn straight down, without a low score; a small
person in profile is drawn as if seen from the front, and correctly a moment later; arms jump to a person or object
nearby. Arrays are batches of N people and T steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.movement import Rng
from training.synthetic.sequences.cameras import View

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEFT, RIGHT = np.arange(1, 17, 2), np.arange(2, 17, 2)
ARMS, LEGS = np.arange(7, 11), np.arange(13, 17)
HIP_JOINTS = np.arange(11, 13)
_UPRIGHT_RISE, _FLAT_RISE = 0.19, 0.08
"""How far shoulders are above hips in the picture, in statures (0.29 for people who stand): from the first on a body
counts as upright, also if a steep camera foreshortens it; below the second it is flat."""
_MIRROR = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
_PARENT = np.array([0, 0, 0, 0, 0, 5, 6, 5, 6, 7, 8, 11, 12, 11, 12, 13, 14])
_LIMBS = ((7, 9), (8, 10), (13, 15), (14, 16))
_INFORMATIVE = np.arange(7, 17)
"""Elbows to ankles. Without any of them only head and shoulders are visible, and the action cannot be recognised."""


def slow_noise(rng: Rng, gap: Array, seconds: float, channels: int) -> Array:
    """Return a stationary process [N, T, channels] of unit variance and correlation time `seconds`."""
    count, steps = gap.shape
    keep = np.exp(-gap / seconds)[..., None]
    out = rng.standard_normal((count, steps, channels))
    out[:, 1:] *= np.sqrt(1 - keep[:, 1:] ** 2)
    for step in range(1, steps):
        out[:, step] += keep[:, step] * out[:, step - 1]
    return out


def occlusion(rng: Rng, view: View, times: Array, hide_legs: Flags) -> Flags:
    """Return which joints are hidden [N, T, 17] by a passing object, an object in front, or the person's own body."""
    count, steps = times.shape
    points, stature = view.points, view.stature
    hidden = np.zeros((count, steps, 17), dtype=bool)
    hidden[:, :, LEGS] |= hide_legs[:, None, None]
    # A passing object hides one side, the legs or the arms for a while.
    begin = times[:, 0] + rng.uniform(-1.0, 1.0, count) * (times[:, -1] - times[:, 0] + 0.1)
    long = rng.uniform(0.3, 3.0, count)
    during = (times >= begin[:, None]) & (times <= (begin + long)[:, None]) & (rng.random(count) < 0.15)[:, None]
    kind = rng.integers(0, 4, count)
    for which, joints in enumerate((LEFT, RIGHT, LEGS, ARMS)):
        hidden[:, :, joints] |= (during & (kind == which)[:, None])[..., None]
    # A counter, a car or a sign in front of the lower body, or a post in front of the person.
    before = rng.random(count)
    hips = points[:, :, 11:13].mean(2)
    edge = hips[..., 1] + rng.uniform(-0.15, 0.4, (count, 1)) * stature
    hidden |= (before < 0.07)[:, None, None] & (points[..., 1] > edge[..., None])
    post = hips[np.arange(count), rng.integers(steps, size=count), 0] + rng.normal(0, 0.15, count) * stature.mean(1)
    near = abs(points[..., 0] - post[:, None, None]) < (rng.uniform(0.04, 0.25, (count, 1)) * stature)[..., None]
    hidden |= ((before > 0.07) & (before < 0.13))[:, None, None] & near
    # The body hides its far arm and, from behind, hands in front of the chest.
    wrists, shoulders = points[:, :, 9:11], points[:, :, 5:7]
    left = np.minimum(shoulders[..., 0], points[:, :, 11:13, 0]).min(-1)[..., None]
    right = np.maximum(shoulders[..., 0], points[:, :, 11:13, 0]).max(-1)[..., None]
    over = (wrists[..., 0] > left) & (wrists[..., 0] < right)
    over &= wrists[..., 1] > shoulders[..., 1].min(-1)[..., None]
    over &= wrists[..., 1] < points[:, :, 11:13, 1].max(-1)[..., None]
    hidden[:, :, 9:11] |= over & (view.depth[:, :, 9:11] > view.depth[:, :, 5:7] + 0.05)
    return hidden


def flatness(view: View) -> Array:
    """Return how flat bodies look [N, T]: 0 with the trunk upright in the picture, 1 with it lying or seen end-on.

    Small people, as in a street, look a quarter as flat: the detector's scores of those who lie were not measured.
    """
    rise = view.points[:, :, 11:13, 1].mean(2) - view.points[:, :, 5:7, 1].mean(2)
    flat = np.clip((_UPRIGHT_RISE - rise / view.stature) / (_UPRIGHT_RISE - _FLAT_RISE), 0, 1)
    return flat * (1 - 0.75 * np.clip((110 - view.stature) / 50, 0, 1))


def nearness(view: View) -> Array:
    """Return how near people are [N, T]: 0 at 130 pixels, 1 at 300."""
    return np.clip(np.log(view.stature / 130) / np.log(300 / 130), 0, 1)


def lost_when_flat(rng: Rng, view: View, gap: Array) -> Flags:
    """Return which joints of flat bodies the detector does not find [N, T, 17]: the legs, and sometimes the hips.

    It finds most of those of lying people 130 pixels tall, and a third of those of near people who do push-ups.
    """
    share = flatness(view) * (0.08 + 0.55 * nearness(view))
    level = 0.8 * rng.standard_normal((len(gap), 1)) + 0.6 * slow_noise(rng, gap, 0.5, 1)[..., 0]
    lost = np.zeros((*gap.shape, 17), dtype=bool)
    lost[:, :, LEGS] = (level < _normal_quantile(share))[..., None]
    lost[:, :, HIP_JOINTS] = (level < _normal_quantile(0.35 * share))[..., None]
    return lost


def guess_unseen(rng: Rng, found: Array, unseen: Flags, outside: Flags, view: View, gap: Array) -> Array:
    """Return the joints with unseen ones guessed: near their place, at a neighbouring joint, or at the edge."""
    count, steps = gap.shape
    stature, edges = view.stature[..., None], view.picture[:, None, None]
    guess = slow_noise(rng, gap, 0.5, 34).reshape(count, steps, 17, 2) * (0.045 * stature)[..., None]
    guess += rng.standard_normal(guess.shape) * (0.02 * stature)[..., None]
    pull = rng.uniform(0, 0.6, (count, 1, 17, 1)) * (rng.random((count, 1, 17, 1)) < 0.5)
    guessed = found + pull * (found[:, :, _PARENT] - found) + guess
    guessed = np.where(outside[..., None], np.clip(guessed, edges[..., :2], edges[..., 2:]), guessed)
    return np.where(unseen[..., None], guessed, found)


PAIR_WIDTH = np.array(
    [0.0, 0.02, 0.02, 0.03, 0.03, 0.1, 0.1, 0.12, 0.12, 0.12, 0.12, 0.055, 0.055, 0.05, 0.05, 0.04, 0.04]
)
"""Distance of each joint from the body's middle, in statures."""


def misjudge_turn(rng: Rng, found: Array, view: View, gap: Array) -> Array:
    """Return the joints with errors in how far people are turned.

    The detector draws small people in profile as if from the front, and the reverse, changing several times a second.
    Errors are smaller for people seen from the front.
    """
    small = np.clip((170 - view.stature) / 110, 0.12, 1.0)
    level = np.exp(rng.normal(-0.2, 0.5, (len(gap), 1))) * small * (1 - 0.6 * abs(view.facing).clip(0, 1))
    wrong = 0.5 * level * slow_noise(rng, gap, 0.4, 1)[..., 0]
    shift = wrong[..., None] * PAIR_WIDTH * view.stature[..., None]
    out = found.copy()
    out[:, :, LEFT, 0] += shift[..., LEFT]
    out[:, :, RIGHT, 0] -= shift[..., RIGHT]
    # It also levels them: shoulders and hips that a steep view shows tilted are drawn less tilted.
    pairs = ((1, 2), (3, 4), (5, 6), (11, 12))
    even = (rng.uniform(0.2, 0.8, (len(gap), 1)) * small)[..., None]
    for pair in pairs:
        own = out[:, :, pair, 1]
        out[:, :, pair, 1] = own + even * (own.mean(-1, keepdims=True) - own)
    return out


def swap_sides(rng: Rng, found: Array, score: Array, view: View, gap: Array) -> tuple[Array, Array]:
    """Exchange left and right: ankles or legs in some frames, arms in few, everything occasionally."""
    count = len(gap)
    close = np.abs(view.facing) < 0.6
    rate = np.where(close, rng.uniform(0.01, 0.06, (count, 1)), rng.uniform(0.0, 0.025, (count, 1)))
    runs = slow_noise(rng, gap, 0.12, 3)
    threshold = -_normal_quantile(np.clip(rate, 1e-4, 0.5))
    ankles, legs = runs[..., 0] > threshold, runs[..., 1] > threshold + 0.2
    arms = runs[..., 2] > threshold + 0.5
    doubtful = rng.random((count, 1)) < np.where(view.facing.mean(1, keepdims=True) < 0.4, 0.2, 0.05)
    turned = doubtful & (slow_noise(rng, gap, 0.5, 1)[..., 0] > rng.uniform(0.0, 1.6, (count, 1)))
    swaps: tuple[tuple[Flags, tuple[int, ...]], ...] = ((ankles & ~legs, (15,)), (legs, (13, 15)), (arms, (7, 9)))
    for which, pairs in swaps:
        for first in pairs:
            for array in (found, score):
                chosen = which[..., None] if array.ndim > 3 else which
                left, right = array[:, :, first].copy(), array[:, :, first + 1].copy()
                array[:, :, first] = np.where(chosen, right, left)
                array[:, :, first + 1] = np.where(chosen, left, right)
    found = np.where(turned[..., None, None], found[:, :, _MIRROR], found)
    score = np.where(turned[..., None], score[:, :, _MIRROR], score)
    return found, score


def mistake_neighbours(rng: Rng, found: Array, view: View, times: Array, gap: Array) -> Array:
    """Return the joints with some limbs taken from a neighbour.

    One person in seven has a neighbour, another person of the batch, whose limbs are briefly taken for theirs, more
    often the closer the two are.
    """
    count = len(gap)
    other = np.roll(np.arange(count), int(rng.integers(1, max(count, 2))))
    hips = view.points[:, :, 11:13].mean(2)
    relative = (view.points[other] - hips[other][:, :, None]) / view.stature[other][..., None, None]
    passing = rng.normal(0, 0.35, (count, 1)) * (rng.random((count, 1)) < 0.5)
    aside = rng.choice([-1.0, 1.0], (count, 1)) * rng.uniform(0.2, 0.8, (count, 1))
    aside = aside + passing * (times - times.mean(1, keepdims=True))
    place = (
        hips
        + np.stack([aside, np.broadcast_to(rng.normal(0, 0.1, (count, 1)), aside.shape)], -1) * view.stature[..., None]
    )
    beside = place[:, :, None] + relative * view.stature[..., None, None]
    there = rng.random((count, 1)) < 0.14
    runs = slow_noise(rng, gap, 0.25, len(_LIMBS))
    out = found.copy()
    for number, limb in enumerate(_LIMBS):
        taken = there & (runs[..., number] > 2.4 - 1.3 * np.exp(-((aside / 0.4) ** 2)))
        for joint in limb:
            out[:, :, joint] = np.where(taken[..., None], beside[:, :, joint], out[:, :, joint])
    return out


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Sequences that cannot be recognised: `garbled` bool [N], joints at random places with low scores; `strip` bool
    [N], a close-up in which only the face is detected, in a flat box."""

    garbled: Flags
    strip: Flags

    def among(self, rows: Flags) -> Unreadable:
        """Return the same for some rows [N]; the others can be recognised."""
        return Unreadable(self.garbled & rows, self.strip & rows)


def draw_unreadable(rng: Rng, count: int) -> Unreadable:
    """Draw two in a hundred garbled sequences, and one or two close-ups of faces."""
    kind = rng.random(count)
    return Unreadable(kind < 0.02, (kind >= 0.02) & (kind < 0.035))


def garble(rng: Rng, found: Array, score: Array, garbled: Flags, view: View, gap: Array) -> tuple[Array, Array]:
    """Return joints and scores with those of garbled sequences displaced by up to an arm's length, at low scores."""
    count, steps = gap.shape
    size = (rng.uniform(0.05, 0.16, (count, 1)) * view.stature)[..., None, None]
    away = size * (slow_noise(rng, gap, 0.3, 34).reshape(count, steps, 17, 2) + 0.5 * rng.standard_normal(found.shape))
    which = garbled[:, None, None]
    unsure = score * rng.uniform(0.25, 0.55, (count, 1, 1))
    return np.where(which[..., None], found + away, found), np.where(which, unsure, score)


_FACE = np.array([(0.0, 0.35), (0.22, -0.2), (-0.22, -0.2), (0.42, 0.15), (-0.42, 0.15)])
"""Nose, eyes and ears in a close-up, relative to the box's middle, in its width and height."""


def face_strips(rng: Rng, score: Array, view: View, gap: Array) -> tuple[Array, Array, Array]:
    """Return detections of faces that fill the picture: keypoints [N, T, 17, 2], scores [N, T, 17], boxes [N, T, 4].

    As on footage: a box three to four times as wide as high over the eyes, a face with medium scores, and every other
    joint somewhere in the box with a score near zero.
    """
    count, steps = gap.shape
    high = np.exp(rng.uniform(np.log(25), np.log(160), (count, 1))) * (1 + 0.05 * slow_noise(rng, gap, 1.0, 1)[..., 0])
    size = np.stack([high * rng.uniform(2.6, 4.2, (count, 1)), high], -1)
    middle = view.points[:, :, 0] + 0.08 * high[..., None] * slow_noise(rng, gap, 1.0, 2)
    places = rng.uniform(-0.5, 0.5, (count, 1, 17, 2)) * np.ones((1, steps, 1, 1))
    places[:, :, :5] = _FACE + rng.normal(0, 0.06, (count, 1, 5, 2))
    places = (
        places + 0.02 * rng.standard_normal(places.shape) + 0.05 * slow_noise(rng, gap, 0.5, 34).reshape(places.shape)
    )
    scores = rng.uniform(0.0, 0.06, score.shape)
    face = (
        rng.uniform(0.25, 0.6, (count, 1, 1)) + 0.08 * slow_noise(rng, gap, 0.7, 5) + rng.normal(0, 0.05, (count, 1, 5))
    )
    scores[:, :, :5] = face.clip(0.02, 0.8)
    boxes = np.concatenate([middle - size / 2, middle + size / 2], -1)
    return middle[:, :, None] + places * size[:, :, None], scores, boxes


def readable(unreadable: Unreadable, seen: Flags) -> Flags:
    """Return the steps [N, T] whose action can be recognised: neither garbled nor a close-up, and with more than head
    and shoulders in sight. `seen` is bool [N, T, 17]."""
    return ~(unreadable.garbled | unreadable.strip)[:, None] & np.any(seen[:, :, _INFORMATIVE], axis=-1)


def _normal_quantile(share: Array) -> Array:
    """Return the value below which a standard normal variable is with a probability of `share`; far below for 0."""
    return np.sqrt(2) * _inverse_erf(2 * np.clip(share, 1e-4, 0.9999) - 1)


def _inverse_erf(x: Array) -> Array:
    """Return the inverse error function by Winitzki's formula, whose two correct digits are enough for a rate."""
    log = np.log(np.maximum(1 - x * x, 1e-12))
    a = 0.147
    first = 2 / (np.pi * a) + log / 2
    return np.sign(x) * np.sqrt(np.sqrt(first**2 - log / a) - first)
