"""Simulated keypoint detections: scores, jitter, slow displacements, larger errors, and boxes.

They are modelled on MoveNet MultiPose on real footage (docs/training.md compares the figures): for people 80 px tall,
half the second difference of a shoulder is 1 to 2 % of stature and of a wrist 2 to 3 %; for people four times as tall,
0.4 to 0.7 %. It swaps left and right shoulders nearly once a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.movement import Rng
from training.synthetic.sequences import detector_errors
from training.synthetic.sequences.cameras import View
from training.synthetic.sequences.detector_errors import LEFT, RIGHT, slow_noise

Array = NDArray[np.float64]

#             nose  eyes      ears      shoulders elbows    wrists    hips      knees     ankles
JITTER = np.array([0.5, 0.45, 0.45, 0.5, 0.5, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.5, 0.5, 0.55, 0.6, 0.7, 0.7])
"""White jitter of each keypoint for a person 120 px tall: standard deviation per axis in % of stature."""
BIAS = np.array([0.7, 0.6, 0.6, 0.7, 0.7, 1.0, 1.0, 1.4, 1.4, 1.6, 1.6, 1.1, 1.1, 1.1, 1.1, 1.2, 1.2])
"""Slowly changing displacement, in the same units."""
BIAS_SECONDS = 0.8
SCORE_FRONT = np.array(
    [0.67, 0.66, 0.66, 0.66, 0.66, 0.78, 0.78, 0.69, 0.69, 0.62, 0.62, 0.81, 0.81, 0.71, 0.71, 0.68, 0.68]
)
SCORE_BEHIND = np.array(
    [0.54, 0.54, 0.54, 0.58, 0.58, 0.75, 0.75, 0.58, 0.58, 0.49, 0.49, 0.79, 0.79, 0.70, 0.70, 0.66, 0.66]
)
LARGE_GAIN = np.array(
    [0.05, 0.16, 0.16, 0.13, 0.13, 0.15, 0.15, 0.13, 0.13, 0.13, 0.13, 0.17, 0.17, 0.16, 0.16, 0.17, 0.17]
)
"""Added to the scores of clear people of `LARGE` pixels from the front, and less to those from behind."""
SMALLEST_CLEAR, LARGE = 90.0, 280.0
"""Heights in pixels at which scores begin to rise and no longer rise: those of people in a street are below."""
FLAT_SCORE = np.array(
    [0.85, 0.85, 0.85, 0.87, 0.87, 0.76, 0.76, 0.58, 0.58, 0.60, 0.60, 0.79, 0.79, 0.76, 0.76, 0.77, 0.77]
)
"""Scores of flat bodies as shares of those of upright ones, for people 130 px tall, as in a room."""
FLAT_SCORE_NEAR = np.array(
    [0.74, 0.74, 0.74, 0.74, 0.74, 0.64, 0.64, 0.64, 0.64, 0.85, 0.85, 0.64, 0.64, 0.62, 0.62, 0.60, 0.60]
)
"""The same for people 300 px tall, most of whom do push-ups on footage, with the hands in sight."""


@dataclass(frozen=True, slots=True)
class Detections:
    """`keypoints` float32 [N, T, 17, 3] (x, y in pixels, score), `boxes` float32 [N, T, 4], `seen` bool [N, T, 17]:
    the joint is in the picture and not hidden; `readable` bool [N, T]: the action can be recognised; `found` bool
    [N, T]: the detector finds the person."""

    keypoints: NDArray[np.float32]
    boxes: NDArray[np.float32]
    seen: NDArray[np.bool_]
    readable: NDArray[np.bool_]
    found: NDArray[np.bool_]


FOUND_SCORE = 0.1
"""Least score of a person, as of the engine (`MOVENET_THRESHOLDS.person_score`)."""


LOCATED_NOISE = 0.25
"""Share of the jitter that is added to joints which a detector has located: they have jitter already."""


def detect(
    rng: Rng,
    view: View,
    times: Array,
    hide_legs: NDArray[np.bool_],
    *,
    hidden: NDArray[np.bool_] | None = None,
    missing: NDArray[np.bool_] | None = None,
    located: NDArray[np.bool_] | None = None,
) -> Detections:
    """Return detections for true projections of N people over T steps at `times` [N, T] seconds.

    `hide_legs` [N]: something hides the legs. `hidden` [N, T, 17]: further hidden joints. `missing` [N, T, 17]:
    joints whose place is unknown; like those outside the picture, they are guessed with scores near zero. `located`
    [N]: people whose joints a detector has located, who get scores and hidden joints, but little jitter and no larger
    errors.
    """
    gap = np.diff(times, axis=1, prepend=times[:, :1])
    occluded = detector_errors.occlusion(rng, view, times, hide_legs)
    occluded |= detector_errors.lost_when_flat(rng, view, gap)
    hidden = occluded if hidden is None else occluded | hidden
    edges = view.picture[:, None, None]
    outside: NDArray[np.bool_] = np.any((view.points < edges[..., :2]) | (view.points > edges[..., 2:]), axis=-1)
    if missing is not None:
        outside |= missing
    unseen = hidden | outside
    located = np.zeros(len(times), dtype=bool) if located is None else located
    unreadable = detector_errors.draw_unreadable(rng, len(times)).among(~located)

    score = _scores(rng, view, gap, hidden, outside)
    found = _jittered(rng, view, gap, score)
    kept = located[:, None, None, None]
    little = view.points + LOCATED_NOISE * (found - view.points)
    found = np.where(kept, little, detector_errors.misjudge_turn(rng, found, view, gap))
    found = detector_errors.guess_unseen(rng, found, unseen, outside, view, gap)
    mistaken = detector_errors.mistake_neighbours(rng, found, view, times, gap)
    mistaken, swapped = detector_errors.swap_sides(rng, mistaken, score.copy(), view, gap)
    found, score = np.where(kept, found, mistaken), np.where(kept[..., 0], score, swapped)
    found, score = detector_errors.garble(rng, found, score, unreadable.garbled, view, gap)
    boxes = boxes_around(rng, np.concatenate([found, score[..., None]], -1), view, gap)
    # A person's score on footage is 0.97 times the mean score of the joints, less 0.04 (correlation 0.89). Unreadable
    # people were seen on footage, so they were found.
    person = 0.97 * score.mean(-1) - 0.04 + rng.normal(0, 0.03, gap.shape)
    odd = (unreadable.garbled | unreadable.strip)[:, None]
    strip = unreadable.strip[:, None, None]
    face, face_score, face_box = detector_errors.face_strips(rng, score, view, gap)
    found = np.where(strip[..., None], face, found)
    score = np.where(strip, face_score, score)
    return Detections(
        keypoints=np.concatenate([found, score[..., None]], -1).astype(np.float32),
        boxes=np.where(strip, face_box, boxes).astype(np.float32),
        seen=~unseen,
        readable=detector_errors.readable(unreadable, ~unseen),
        found=(person >= FOUND_SCORE) | odd,
    )


def _scores(rng: Rng, view: View, gap: Array, hidden: NDArray[np.bool_], outside: NDArray[np.bool_]) -> Array:
    """Return scores [N, T, 17] by how much the person faces the camera, the side turned away, the person, and time.

    Large and clear people score more, people who lie or bend low less. Hidden joints score less, though for small
    people not much less; joints outside the picture score near zero.
    """
    count, steps = gap.shape
    front = (0.5 + 0.5 * view.facing.clip(-1, 1))[..., None]
    base = SCORE_BEHIND + (SCORE_FRONT - SCORE_BEHIND) * front
    turned = np.zeros((count, steps, 17))
    turned[..., LEFT] = np.maximum(view.side, 0)[..., None]
    turned[..., RIGHT] = np.maximum(-view.side, 0)[..., None]
    small = np.clip((160 - view.stature) / 100, 0, 1)[..., None]
    murky = (rng.random((count, 1, 1)) < 0.15) * rng.uniform(0.04, 0.18, (count, 1, 1))
    # For small people the far arm is drawn on the near one and scores like it.
    # Below about 60 px scores fall fast: hips 0.62 at 60 px and 0.46 at 25 px on street footage.
    tiny = np.clip((62 - view.stature) / 20, 0, 1)[..., None]
    base = base * (1 - 0.35 * turned * (1 - 0.6 * small)) - 0.1 * small - 0.13 * tiny - murky
    large = np.clip(np.log(view.stature / SMALLEST_CLEAR) / np.log(LARGE / SMALLEST_CLEAR), 0, 1)[..., None]
    base = base + LARGE_GAIN * large * (0.4 + 0.6 * front) * rng.uniform(0.4, 1.3, (count, 1, 1))
    flat, near = detector_errors.flatness(view)[..., None], detector_errors.nearness(view)[..., None]
    kept = FLAT_SCORE + (FLAT_SCORE_NEAR - FLAT_SCORE) * near
    # Some near people who do push-ups score like others, some hardly at all: footage differs from camera to camera.
    chance = rng.random((count, 1, 1))
    strength = (0.4 + 1.2 * chance) * (1 - near) + (0.3 + 2.3 * chance**2) * near
    base = base * np.maximum(1 - flat * strength * (1 - kept), 0.1)
    person = rng.normal(0, 0.06, (count, 1, 1)) + rng.normal(0, 0.03, (count, 1, 17))
    score = base + person + 0.07 * slow_noise(rng, gap, 0.6, 17) + rng.normal(0, 0.035, base.shape)
    least = rng.uniform(0.0, 0.35, (count, 1, 1)) + 0.3 * small
    guessed = score * np.clip(least + rng.uniform(0.0, 0.45, (count, 1, 17)), 0, 0.9)
    score = np.where(hidden, guessed, score)
    score = np.where(outside, rng.uniform(0.0, 0.2, score.shape), score)
    return np.clip(score, 0.01, 0.95)


def _jittered(rng: Rng, view: View, gap: Array, score: Array) -> Array:
    """Return the joints [N, T, 17, 2] with jitter.

    Joints with high scores jitter less; small people and fast, blurred joints more. Occasionally a limb's joint is
    placed on something nearby for a moment.
    """
    count, steps = gap.shape
    stature = view.stature[..., None]
    # A detector's map has cells of a fixed size in pixels, so jitter relative to stature grows for small people: on
    # street footage shoulders of people of 20 to 30 px jitter by 4.2 % of stature, of 55 to 65 px by 2.5 %.
    size = np.clip(120 / view.stature, 0.2, 5.0)[..., None]
    unsure = np.clip(1.6 - 1.3 * score, 0.8, 1.6)
    level = np.exp(rng.normal(-0.05, 0.45, (count, 1, 1)))
    speed = np.zeros((count, steps, 17))
    if steps > 1:
        moved = np.linalg.norm(np.diff(view.points, axis=1), axis=-1) / np.maximum(gap[:, 1:, None], 0.02)
        speed[:, 1:] = moved / stature[:, 1:]
    scale = 0.01 * stature * size * level
    white = rng.standard_normal((count, steps, 17, 2)) * (JITTER * scale * unsure * (1 + 0.3 * speed))[..., None]
    burst = rng.random((count, steps, 17)) < 0.02
    white *= np.where(burst, rng.uniform(2, 6, burst.shape), 1.0)[..., None]
    bias = slow_noise(rng, gap, BIAS_SECONDS, 34).reshape(count, steps, 17, 2) * (BIAS * scale * unsure)[..., None]
    common = rng.standard_normal((count, steps, 1, 2)) * (0.4 * scale)[..., None]
    found = view.points + white + bias + common
    lost = slow_noise(rng, gap, 0.25, 17) > np.array([3.0] * 7 + [2.0] * 4 + [2.6] * 4 + [2.2] * 2)
    wander = slow_noise(rng, gap, 0.3, 34).reshape(count, steps, 17, 2) * (0.07 * stature)[..., None]
    return np.where(lost[..., None], found + wander, found)


BOX_MARGIN = np.array([0.052, 0.079, 0.052, 0.077])
"""Margin of the detector's box around the keypoints (left, top, right, bottom), in statures."""


def boxes_around(rng: Rng, keypoints: Array, view: View, gap: Array) -> NDArray[np.float32]:
    """Return boxes float32 [N, T, 4] around the keypoints, with the detector's margins and jitter, in the picture."""
    count, steps = gap.shape
    trusted: NDArray[np.bool_] = np.greater(keypoints[..., 2], 0.12)
    low = np.where(trusted[..., None], keypoints[..., :2], np.inf).min(2)
    high = np.where(trusted[..., None], keypoints[..., :2], -np.inf).max(2)
    nothing = ~np.any(trusted, axis=-1, keepdims=True)
    low = np.where(nothing, keypoints[..., :2].min(2), low)
    high = np.where(nothing, keypoints[..., :2].max(2), high)
    stature = view.stature[..., None]
    margin = BOX_MARGIN + 0.015 * slow_noise(rng, gap, 1.0, 4) + 0.004 * rng.standard_normal((count, steps, 4))
    boxes = np.concatenate([low - margin[..., :2] * stature, high + margin[..., 2:] * stature], -1)
    edges = view.picture[:, None]
    boxes[..., :2] = np.clip(boxes[..., :2], edges[..., :2], edges[..., 2:])
    boxes[..., 2:] = np.clip(boxes[..., 2:], edges[..., :2], edges[..., 2:])
    boxes[..., 2:] = np.maximum(boxes[..., 2:], boxes[..., :2] + 4.0)
    return boxes.astype(np.float32)
