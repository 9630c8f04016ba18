"""What a keypoint detector makes of a person: jitter, scores, swapped sides, occlusion, joints outside the picture.

Modelled on what MoveNet MultiPose does on real footage (docs/training.md has the figures side by side): of people 80 px
tall half the second difference of a shoulder is 1.6 % of stature, of a wrist 2.6, of an ankle 2.7; of people four times
as tall 0.4 to 0.7; ankles change sides in 3 to 10 % of frames. Pure functions over a batch; owns nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.cameras import View
from training.movement import Rng

Array = NDArray[np.float64]

#             nose  eyes      ears      shoulders elbows    wrists    hips      knees     ankles
JITTER = np.array([0.55, 0.5, 0.5, 0.55, 0.55, 0.65, 0.65, 0.7, 0.7, 0.75, 0.75, 0.68, 0.68, 0.72, 0.72, 0.95, 0.95])
"""White jitter of each keypoint, standard deviation on each axis in % of stature, of a person 120 px tall."""
BIAS = np.array([0.6, 0.5, 0.5, 0.6, 0.6, 0.9, 0.9, 1.2, 1.2, 1.3, 1.3, 1.1, 1.1, 1.1, 1.1, 1.2, 1.2])
"""Slowly changing displacement, the same way."""
BIAS_SECONDS = 0.8
SCORE_FRONT = np.array(
    [0.67, 0.66, 0.66, 0.66, 0.66, 0.78, 0.78, 0.69, 0.69, 0.62, 0.62, 0.81, 0.81, 0.71, 0.71, 0.68, 0.68]
)
SCORE_BEHIND = np.array(
    [0.50, 0.50, 0.50, 0.54, 0.54, 0.74, 0.74, 0.57, 0.57, 0.47, 0.47, 0.79, 0.79, 0.69, 0.69, 0.65, 0.65]
)
_MIRROR = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
LEFT, RIGHT = np.arange(1, 17, 2), np.arange(2, 17, 2)


@dataclass(frozen=True, slots=True)
class Detections:
    """`keypoints` float32 [N, T, 17, 3] (x, y in pixels, score), `boxes` float32 [N, T, 4], `seen` bool [N, T, 17]:
    the joint is in the picture and nothing hides it."""

    keypoints: NDArray[np.float32]
    boxes: NDArray[np.float32]
    seen: NDArray[np.bool_]


def detect(rng: Rng, view: View, times: Array, hide_legs: NDArray[np.bool_]) -> Detections:
    """Turn true projections into what the detector would say, N people over T steps at `times` [N, T] seconds."""
    count, steps = times.shape
    stature = view.stature[..., None]
    points = view.points
    gap = np.diff(times, axis=1, prepend=times[:, :1])

    hidden, dark = _occlusion(rng, view, times, hide_legs)
    edges = view.picture[:, None, None]
    outside: NDArray[np.bool_] = np.any((points < edges[..., :2]) | (points > edges[..., 2:]), axis=-1)
    unseen = hidden | outside

    # Scores: by how much the person faces the camera, which side is turned away, who they are, and a slow course.
    front = (0.5 + 0.5 * view.facing.clip(-1, 1))[..., None]
    base = SCORE_BEHIND + (SCORE_FRONT - SCORE_BEHIND) * front
    turned = np.zeros((count, steps, 17))
    turned[..., LEFT] = np.maximum(view.side, 0)[..., None]
    turned[..., RIGHT] = np.maximum(-view.side, 0)[..., None]
    base = base * (1 - 0.35 * turned) - dark[..., None] * 0.12
    person = rng.normal(0, 0.06, (count, 1, 1)) + rng.normal(0, 0.03, (count, 1, 17))
    small = np.clip((160 - view.stature) / 100, 0, 1)[..., None] * 0.10
    score = base + person - small + 0.07 * _slow(rng, gap, 0.6, 17) + rng.normal(0, 0.035, base.shape)
    score = np.where(unseen, rng.uniform(0.02, 0.22, score.shape) + 0.06 * (hidden & ~outside), score)
    score = np.clip(score, 0.01, 0.95)

    # Jitter: the surer the joint, the steadier; small people more; a blurred joint more.
    size = np.clip(120 / view.stature, 0.2, 2.0)[..., None]
    unsure = np.clip(1.6 - 1.3 * score, 0.8, 1.6)
    level = np.exp(rng.normal(-0.05, 0.45, (count, 1, 1)))
    speed = np.zeros((count, steps, 17))
    if steps > 1:
        moved = np.linalg.norm(np.diff(points, axis=1), axis=-1) / np.maximum(gap[:, 1:, None], 0.02)
        speed[:, 1:] = moved / stature[:, 1:]
    scale = 0.01 * stature * size * level
    white = rng.standard_normal((count, steps, 17, 2)) * (JITTER * scale * unsure * (1 + 0.25 * speed))[..., None]
    burst = rng.random((count, steps, 17)) < 0.02
    white *= np.where(burst, rng.uniform(2, 6, burst.shape), 1.0)[..., None]
    slow = _slow(rng, gap, BIAS_SECONDS, 34).reshape(count, steps, 17, 2) * (BIAS * scale * unsure)[..., None]
    common = rng.standard_normal((count, steps, 1, 2)) * (0.25 * scale)[..., None]
    found = points + white + slow + common

    # Now and then a joint of an arm or a foot is taken for something else nearby, for a moment.
    lost = _slow(rng, gap, 0.25, 17) > np.array([3.0] * 7 + [2.0] * 4 + [2.6] * 4 + [2.2] * 2)
    wander = _slow(rng, gap, 0.3, 34).reshape(count, steps, 17, 2) * (0.07 * stature)[..., None]
    found = np.where(lost[..., None], found + wander, found)
    found = _hallucinate(rng, found, unseen, outside, edges, stature, gap)
    found, score = _swap_sides(rng, found, score, view, gap)
    keypoints = np.concatenate([found, score[..., None]], -1).astype(np.float32)
    return Detections(keypoints, boxes_around(rng, keypoints, view, gap), ~unseen)


def _slow(rng: Rng, gap: Array, seconds: float, channels: int) -> Array:
    """A stationary process [N, T, channels] of unit variance that forgets within `seconds`, at irregular instants."""
    count, steps = gap.shape
    keep = np.exp(-gap / seconds)[..., None]
    fresh = rng.standard_normal((count, steps, channels))
    out = np.empty_like(fresh)
    out[:, 0] = fresh[:, 0]
    for step in range(1, steps):
        out[:, step] = keep[:, step] * out[:, step - 1] + np.sqrt(1 - keep[:, step] ** 2) * fresh[:, step]
    return out


def _occlusion(rng: Rng, view: View, times: Array, hide_legs: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Array]:
    """Which joints something hides [N, T, 17], and which views [N, T] are murky (low scores throughout)."""
    count, steps = times.shape
    hidden = np.zeros((count, steps, 17), dtype=bool)
    hidden[:, :, 13:] |= hide_legs[:, None, None]
    # Somebody or something passes in front: one side or the lower half for a while.
    begin = times[:, 0] + rng.uniform(-1.0, 1.0, count) * (times[:, -1] - times[:, 0] + 0.1)
    long = rng.uniform(0.3, 3.0, count)
    during = (times >= begin[:, None]) & (times <= (begin + long)[:, None]) & (rng.random(count) < 0.15)[:, None]
    kind = rng.integers(0, 4, count)
    for which, joints in enumerate((LEFT, RIGHT, np.arange(13, 17), np.array([7, 8, 9, 10]))):
        mask = during & (kind == which)[:, None]
        hidden[:, :, joints] |= mask[..., None]
    # The body hides its own far arm and, from behind, what the hands do before the chest.
    wrists = view.points[:, :, 9:11]
    shoulders, hips = view.points[:, :, 5:7], view.points[:, :, 11:13]
    left = np.minimum(shoulders[..., 0].min(-1), hips[..., 0].min(-1))[..., None]
    right = np.maximum(shoulders[..., 0].max(-1), hips[..., 0].max(-1))[..., None]
    over = (wrists[..., 0] > left) & (wrists[..., 0] < right)
    over &= (wrists[..., 1] > shoulders[..., 1].min(-1)[..., None]) & (wrists[..., 1] < hips[..., 1].max(-1)[..., None])
    behind = view.depth[:, :, 9:11] > view.depth[:, :, 5:7] + 0.05
    hidden[:, :, 9:11] |= over & behind
    murky = (rng.random(count) < 0.15) * rng.uniform(0.3, 1.5, count)
    return hidden, np.broadcast_to(murky[:, None], (count, steps))


def _hallucinate(
    rng: Rng,
    found: Array,
    unseen: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    edges: Array,
    stature: Array,
    gap: Array,
) -> Array:
    """Joints that can't be seen are guessed: near where they should be, or at a neighbour, or at the picture's edge."""
    count, steps = gap.shape
    guess = _slow(rng, gap, 0.5, 34).reshape(count, steps, 17, 2) * (0.045 * stature)[..., None]
    guess += rng.standard_normal(guess.shape) * (0.02 * stature)[..., None]
    parent = np.array([0, 0, 0, 0, 0, 5, 6, 5, 6, 7, 8, 11, 12, 11, 12, 13, 14])
    pull = rng.uniform(0, 0.6, (count, 1, 17, 1)) * (rng.random((count, 1, 17, 1)) < 0.5)
    guessed = found + pull * (found[:, :, parent] - found) + guess
    guessed = np.where(outside[..., None], np.clip(guessed, edges[..., :2], edges[..., 2:]), guessed)
    return np.where(unseen[..., None], guessed, found)


def _swap_sides(rng: Rng, found: Array, score: Array, view: View, gap: Array) -> tuple[Array, Array]:
    """Exchange left and right: ankles or whole legs in some frames, arms in few, everybody's everything rarely."""
    count = len(gap)
    close = np.abs(view.facing) < 0.6
    rate = np.where(close, rng.uniform(0.02, 0.12, (count, 1)), rng.uniform(0.0, 0.05, (count, 1)))
    runs = _slow(rng, gap, 0.12, 3)
    threshold = np.sqrt(2) * _inverse_error(1 - 2 * np.clip(rate, 1e-4, 0.5))
    ankles, legs = runs[..., 0] > threshold, runs[..., 1] > threshold + 0.2
    arms = runs[..., 2] > threshold + 0.5
    turned = (rng.random((count, 1)) < 0.06) & (view.facing < 0.2) & (_slow(rng, gap, 0.8, 1)[..., 0] > 0.3)
    swaps: tuple[tuple[NDArray[np.bool_], tuple[int, ...]], ...] = (
        (ankles & ~legs, (15,)),
        (legs, (13, 15)),
        (arms, (7, 9)),
    )
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


def _inverse_error(x: Array) -> Array:
    """Inverse error function by Winitzki's formula; two digits are plenty for a rate."""
    log = np.log(np.maximum(1 - x * x, 1e-12))
    a = 0.147
    first = 2 / (np.pi * a) + log / 2
    return np.sign(x) * np.sqrt(np.sqrt(first**2 - log / a) - first)


BOX_MARGIN = np.array([0.052, 0.079, 0.052, 0.077])
"""How far the detector's box goes beyond the keypoints (left, top, right, bottom), in statures."""


def boxes_around(rng: Rng, keypoints: NDArray[np.float32], view: View, gap: Array) -> NDArray[np.float32]:
    """The detector's boxes float32 [N, T, 4]: around the keypoints with its own margins and wobble, in the picture."""
    count, steps = gap.shape
    trusted: NDArray[np.bool_] = np.greater(keypoints[..., 2], 0.12)
    low = np.where(trusted[..., None], keypoints[..., :2], np.inf).min(2)
    high = np.where(trusted[..., None], keypoints[..., :2], -np.inf).max(2)
    nothing = ~np.any(trusted, axis=-1, keepdims=True)
    low = np.where(nothing, keypoints[..., :2].min(2), low)
    high = np.where(nothing, keypoints[..., :2].max(2), high)
    stature = view.stature[..., None]
    margin = BOX_MARGIN + 0.015 * _slow(rng, gap, 1.0, 4) + 0.01 * rng.standard_normal((count, steps, 4))
    boxes = np.concatenate([low - margin[..., :2] * stature, high + margin[..., 2:] * stature], -1)
    edges = view.picture[:, None]
    boxes[..., :2] = np.clip(boxes[..., :2], edges[..., :2], edges[..., 2:])
    boxes[..., 2:] = np.clip(boxes[..., 2:], edges[..., :2], edges[..., 2:])
    boxes[..., 2:] = np.maximum(boxes[..., 2:], boxes[..., :2] + 4.0)
    return boxes.astype(np.float32)
