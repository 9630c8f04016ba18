"""The skeleton: COCO's 17 keypoints, points derived from them, the ten parts as chains, and a person's stature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

JOINT_SCORE = 0.15
"""Joints with a lower score are missing. MoveNet scores hands 0.22 to 0.27 from behind; noise on empty ground is below
0.1."""

# COCO's 17 keypoints, then points derived from them.
NOSE, L_EYE, R_EYE, L_EAR, R_EAR = range(5)
L_SHOULDER, R_SHOULDER, L_ELBOW, R_ELBOW, L_WRIST, R_WRIST = range(5, 11)
L_HIP, R_HIP, L_KNEE, R_KNEE, L_ANKLE, R_ANKLE = range(11, 17)
KEYPOINTS = 17
FACE, NECK, PELVIS, KNEES, L_TIP, R_TIP, L_TOE, R_TOE = range(17, 25)
POINTS = 25
"""17 keypoints and 8 derived points: face centre, neck, pelvis, between the knees, fingertips, toes."""

CHAINS: tuple[tuple[int, int, int], ...] = (
    (NECK, FACE, NOSE),
    (L_SHOULDER, L_ELBOW, L_WRIST),
    (R_SHOULDER, R_ELBOW, R_WRIST),
    (L_ELBOW, L_WRIST, L_TIP),
    (R_ELBOW, R_WRIST, R_TIP),
    (NECK, PELVIS, KNEES),
    (L_HIP, L_KNEE, L_ANKLE),
    (R_HIP, R_KNEE, R_ANKLE),
    (L_KNEE, L_ANKLE, L_TOE),
    (R_KNEE, R_ANKLE, R_TOE),
)
"""Each part, in the vocabulary's order, as a chain of three points: root, joint, end."""

MIRRORED: tuple[int, ...] = (0, 2, 1, 4, 3, 5, 7, 6, 9, 8)
"""The part on the other side of the body."""

TIP_REACH = 0.35
"""Fingertips are this share of the forearm beyond the wrist, toes half this share of the shin beyond the ankle."""

# Shares of the stature, from standard anthropometry: hip to shoulder, hip to ankle, shoulder to wrist.
_TORSO, _LEG, _ARM = 0.288, 0.491, 0.332


def skeleton_points(keypoints: Floats, joint_score: float = JOINT_SCORE) -> tuple[Floats, Floats, Flags]:
    """Derive points [..., 25, 2], scores [..., 25] and present [..., 25] from keypoints [..., 17, 3] (x, y, score).

    Positions are in pixels. Fingertips and toes have the lowest score of their joints; face and neck have the best. The
    pelvis and the point between the knees have the lower score of the two sides, or that of the only present side.
    """
    lead = keypoints.shape[:-2]
    points = np.zeros((*lead, POINTS, 2), np.float32)
    scores = np.zeros((*lead, POINTS), np.float32)
    points[..., :KEYPOINTS, :] = keypoints[..., :2]
    scores[..., :KEYPOINTS] = np.where(keypoints[..., 2] >= joint_score, keypoints[..., 2], 0)

    for target, sources in ((FACE, (NOSE, L_EYE, R_EYE, L_EAR, R_EAR)), (NECK, (L_SHOULDER, R_SHOULDER))):
        joints = list(sources)
        found = scores[..., joints] > 0
        count = np.maximum(found.sum(-1), 1).astype(np.float32)
        points[..., target, :] = np.where(found[..., None], points[..., joints, :], 0).sum(-2) / count[..., None]
        scores[..., target] = scores[..., joints].max(-1)
    for target, (a, b) in ((PELVIS, (L_HIP, R_HIP)), (KNEES, (L_KNEE, R_KNEE))):
        lower = np.minimum(scores[..., a], scores[..., b])
        higher = np.maximum(scores[..., a], scores[..., b])
        first = (scores[..., a] >= scores[..., b])[..., None]
        middle = (points[..., a, :] + points[..., b, :]) * np.float32(0.5)
        either = np.where(first, points[..., a, :], points[..., b, :])
        points[..., target, :] = np.where((lower > 0)[..., None], middle, either)
        scores[..., target] = np.where(lower > 0, lower, higher)
    for target, near, end, reach in (
        (L_TIP, L_ELBOW, L_WRIST, TIP_REACH),
        (R_TIP, R_ELBOW, R_WRIST, TIP_REACH),
        (L_TOE, L_KNEE, L_ANKLE, TIP_REACH / 2),
        (R_TOE, R_KNEE, R_ANKLE, TIP_REACH / 2),
    ):
        points[..., target, :] = points[..., end, :] + np.float32(reach) * (points[..., end, :] - points[..., near, :])
        scores[..., target] = np.minimum(scores[..., near], scores[..., end])
    present = scores > 0
    points[~present] = 0
    return points, scores, present


def step_stature(points: Floats, present: Flags, boxes: Floats) -> Floats:
    """Estimate the person's standing height in pixels from one step: [..., 25, 2] → [...].

    This is the greatest of the lengths of torso, legs and arms, each divided by its usual share of the stature, because
    perspective only shortens them. Limbs are measured along their joints. Without any of them it is the box's height.
    """

    def length(a: int, b: int) -> Floats:
        both = present[..., a] & present[..., b]
        offset = points[..., a, :] - points[..., b, :]
        return np.where(both, np.sqrt((offset * offset).sum(-1)), 0).astype(np.float32)

    def path(a: int, b: int, c: int) -> Floats:
        first, second = length(a, b), length(b, c)
        return np.where((first > 0) & (second > 0), first + second, 0).astype(np.float32)

    torso = length(NECK, PELVIS) / np.float32(_TORSO)
    leg = np.maximum(path(L_HIP, L_KNEE, L_ANKLE), path(R_HIP, R_KNEE, R_ANKLE)) / np.float32(_LEG)
    arm = np.maximum(path(L_SHOULDER, L_ELBOW, L_WRIST), path(R_SHOULDER, R_ELBOW, R_WRIST)) / np.float32(_ARM)
    trunk = np.maximum(torso, leg)
    body = np.where(trunk > 0, np.maximum(trunk, arm * np.float32(0.9)), arm)
    height = np.maximum(boxes[..., 3] - boxes[..., 1], 1)
    return np.where(body > height * np.float32(0.05), body, height).astype(np.float32)
