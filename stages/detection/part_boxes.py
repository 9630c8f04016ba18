"""Boxes of the ten body parts, computed from a person's keypoints; tight as in Kinetics-TPS.

An arm runs from shoulder to wrist, a leg from hip to ankle. Hands and feet are small boxes beyond wrist and ankle. The
hip spans both hip joints; the head extends from the neck to the crown. A part whose joints score too low is absent. See
docs/method.md, "Part boxes".
"""

from __future__ import annotations

import numpy as np

from stages.detection.detections import PartBoxes
from stages.keypoint_features.skeleton import (
    FACE,
    L_ANKLE,
    L_ELBOW,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    NECK,
    R_ANKLE,
    R_ELBOW,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    R_WRIST,
    Flags,
    Floats,
    skeleton_points,
    step_stature,
)
from stages.settings import KEYPOINT_SCORE

# Half-widths and reaches as shares of the stature, from standard anthropometry plus clothes. Those of hands, feet and
# hips are fitted to rendered videos. There an IoU of at least 0.3 is reached by 48 % of hands, 75 % of feet and 95 % of
# hips; keypoint errors, which are as large as a hand, account for the rest.
_ARM_MARGIN, _LEG_MARGIN, _HEAD_MARGIN = 0.035, 0.05, 0.07
_HAND_REACH, _HAND_HALF = 0.05, 0.04
_HELD_HALF = 0.2
_FOOT_REACH, _FOOT_ALONG, _FOOT_ACROSS = 0.035, 0.043, 0.062
_HIP_MARGIN_X, _HIP_HALF_HEIGHT, _HIP_LEAST_HALF_WIDTH = 0.05, 0.06, 0.085
_CROWN = 0.1


def part_boxes(
    keypoints: Floats, boxes: Floats, size: tuple[float, float], keypoint_score: float = KEYPOINT_SCORE
) -> PartBoxes:
    """Compute part boxes from `keypoints` [..., 17, 3] (x, y, score) and the people's `boxes` [..., 4].

    `size` is the picture's (width, height). A limb's score is the mean of its joints' scores, each of which must be at
    least half of `keypoint_score`. A hand has the score of its wrist, a foot that of its ankle, the head the best of
    its five keypoints, the hip the mean of both hips.
    """
    keypoints = np.asarray(keypoints, np.float32)
    min_joint_score = keypoint_score / 2
    points, _, present = skeleton_points(keypoints, min_joint_score)
    stature = step_stature(points, present, np.asarray(boxes, np.float32))[..., None]
    score = np.where(present[..., :17], keypoints[..., 2], np.float32(0))
    made: list[Floats] = []
    scores: list[Floats] = []

    def limb(a: int, b: int, c: int, margin: float) -> None:
        chain = [a, b, c]
        made.append(_around(points[..., chain, :], stature * np.float32(margin)))
        scores.append(np.where(present[..., chain].all(-1), score[..., chain].mean(-1), np.float32(0)))

    def beyond(near: int, end: int, reach: float, along: float, across: float) -> None:
        """Add a box past the end of a limb; `along` and `across` the limb are half-sizes."""
        direction = np.where(present[..., near, None], points[..., end, :] - points[..., near, :], np.float32(0))
        unit = direction / np.maximum(np.sqrt((direction * direction).sum(-1, keepdims=True)), np.float32(1e-6))
        centre = points[..., end, :] + unit * stature * np.float32(reach)
        on_axes = np.abs(np.where(direction.any(-1, keepdims=True), unit, np.array([0, 1], np.float32)))
        half = np.asarray(stature * (on_axes * np.float32(along) + on_axes[..., ::-1] * np.float32(across)), np.float32)
        made.append(_around(centre[..., None, :], half))
        scores.append(score[..., end])

    made.append(_head(points, present, stature))
    scores.append(score[..., :5].max(-1))
    limb(L_SHOULDER, L_ELBOW, L_WRIST, _ARM_MARGIN)
    limb(R_SHOULDER, R_ELBOW, R_WRIST, _ARM_MARGIN)
    beyond(L_ELBOW, L_WRIST, _HAND_REACH, _HAND_HALF, _HAND_HALF)
    beyond(R_ELBOW, R_WRIST, _HAND_REACH, _HAND_HALF, _HAND_HALF)
    made.append(_hip(points, stature))
    hips = [L_HIP, R_HIP]
    scores.append(np.where(present[..., hips].all(-1), score[..., hips].mean(-1), np.float32(0)))
    limb(L_HIP, L_KNEE, L_ANKLE, _LEG_MARGIN)
    limb(R_HIP, R_KNEE, R_ANKLE, _LEG_MARGIN)
    beyond(L_KNEE, L_ANKLE, _FOOT_REACH, _FOOT_ALONG, _FOOT_ACROSS)
    beyond(R_KNEE, R_ANKLE, _FOOT_REACH, _FOOT_ALONG, _FOOT_ACROSS)

    limits = np.array([size[0], size[1], size[0], size[1]], np.float32)
    clipped = np.clip(np.stack(made, -2), 0, limits)
    visible = (clipped[..., 2] - clipped[..., 0] >= 1) & (clipped[..., 3] - clipped[..., 1] >= 1)
    all_scores = np.stack(scores, -1).astype(np.float32)
    found = (all_scores >= keypoint_score) & visible
    return PartBoxes(
        np.where(found[..., None], clipped, np.float32(0)), np.where(found, all_scores, np.float32(0)), found
    )


def hand_regions(
    keypoints: Floats, boxes: Floats, size: tuple[float, float] | Floats, keypoint_score: float = KEYPOINT_SCORE
) -> tuple[Floats, Flags]:
    """Return the region of a held object at each hand: a square clipped to the picture.

    Returns float32 [..., 2, 4] (left, right) and whether the hand is present, bool [..., 2]. `size` is (width, height)
    for all pictures or [..., 2].

    A square is two fifths of a stature wide. In rendered videos it contains all of a ball, cup, phone or dumbbell, 97 %
    of a box (both hands' squares together), 68 % of a hanging bag and 52 % of a bat. With a third of a stature, and
    half a hand further out, it contained 87, 48 and 42 % of the last three.
    """
    points, _, present = skeleton_points(np.asarray(keypoints, np.float32), keypoint_score / 2)
    stature = step_stature(points, present, np.asarray(boxes, np.float32))[..., None]
    regions: list[Floats] = []
    for near, end in ((L_ELBOW, L_WRIST), (R_ELBOW, R_WRIST)):
        direction = np.where(present[..., near, None], points[..., end, :] - points[..., near, :], np.float32(0))
        unit = direction / np.maximum(np.sqrt((direction * direction).sum(-1, keepdims=True)), np.float32(1e-6))
        centre = points[..., end, :] + unit * stature * np.float32(_HAND_REACH)
        regions.append(_around(centre[..., None, :], stature * np.float32(_HELD_HALF)))
    limits = np.tile(np.asarray(size, np.float32), 2)[..., None, :]
    clipped = np.clip(np.stack(regions, -2), 0, limits)
    visible = (clipped[..., 2] - clipped[..., 0] >= 1) & (clipped[..., 3] - clipped[..., 1] >= 1)
    found = present[..., [L_WRIST, R_WRIST]] & visible
    return np.where(found[..., None], clipped, np.float32(0)), found


def _around(points: Floats, margin: Floats) -> Floats:
    """Return the box of points [..., k, 2] with a margin on every side: [..., 1], or [..., 2] along x and y."""
    return np.concatenate([points.min(-2) - margin, points.max(-2) + margin], -1)


def _head(points: Floats, present: Flags, stature: Floats) -> Floats:
    """Return the box from half-way to the neck up to the crown, along the line from neck to face, or upright."""
    face, neck = points[..., FACE, :], points[..., NECK, :]
    up = face - neck
    length = np.sqrt((up * up).sum(-1, keepdims=True))
    known = present[..., NECK, None] & (length > 1e-6)
    unit = np.where(known, up / np.maximum(length, np.float32(1e-6)), np.array([0, -1], np.float32)).astype(np.float32)
    crown = face + unit * stature * np.float32(_CROWN)
    # The centre of the face moves towards the neck when a head bows; the box must not become shorter than a chin.
    chin = face - unit * np.maximum(
        np.where(known, length * np.float32(0.5), np.float32(0)), stature * np.float32(0.06)
    )
    ends = _around(np.stack([crown, chin], -2), np.zeros_like(stature))
    wide = _around(face[..., None, :], stature * np.float32(_HEAD_MARGIN))
    both = [np.minimum(ends[..., :2], wide[..., :2]), np.maximum(ends[..., 2:], wide[..., 2:])]
    return np.concatenate(both, -1, dtype=np.float32)


def _hip(points: Floats, stature: Floats) -> Floats:
    left, right = points[..., L_HIP, :], points[..., R_HIP, :]
    low, high = np.minimum(left, right), np.maximum(left, right)
    middle = (low + high) * np.float32(0.5)
    half_x = (high - low)[..., :1] * np.float32(0.5) + stature * np.float32(_HIP_MARGIN_X)
    half_y = (high - low)[..., 1:] * np.float32(0.5) + stature * np.float32(_HIP_HALF_HEIGHT)
    half = np.concatenate([np.maximum(half_x, stature * np.float32(_HIP_LEAST_HALF_WIDTH)), half_y], -1)
    return np.concatenate([middle - half, middle + half], -1, dtype=np.float32)
