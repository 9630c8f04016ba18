"""Features of the whole person in a step window, by name.

They replace the object feature where no visual features of objects are available.
"""

from __future__ import annotations

import numpy as np

from stages.keypoint_features.skeleton import (
    FACE,
    KEYPOINTS,
    KNEES,
    L_ANKLE,
    L_ELBOW,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    NECK,
    PELVIS,
    R_ANKLE,
    R_ELBOW,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    R_WRIST,
    Floats,
)
from stages.keypoint_features.step_window import SPANS, StepWindow

_EPSILON = np.float32(1e-6)
_ANGLES = {
    "left_knee": (L_HIP, L_KNEE, L_ANKLE),
    "right_knee": (R_HIP, R_KNEE, R_ANKLE),
    "left_hip": (L_SHOULDER, L_HIP, L_KNEE),
    "right_hip": (R_SHOULDER, R_HIP, R_KNEE),
    "waist": (NECK, PELVIS, KNEES),
}
_PAIRS = {"wrists": (L_WRIST, R_WRIST), "ankles": (L_ANKLE, R_ANKLE), "elbows": (L_ELBOW, R_ELBOW)} | {
    "knees": (L_KNEE, R_KNEE)
}
_RAISED = {
    "left_wrist_above_shoulder": (L_WRIST, L_SHOULDER),
    "right_wrist_above_shoulder": (R_WRIST, R_SHOULDER),
    "left_wrist_above_face": (L_WRIST, FACE),
    "right_wrist_above_face": (R_WRIST, FACE),
    "pelvis_above_knees": (PELVIS, KNEES),
}


def context_features(window: StepWindow) -> dict[str, Floats]:
    """Return features by name, [M, …], in statures and statures per second."""
    windows = len(window.points_now)
    points, present, scores = window.points_now, window.present_now, window.scores_now[:, :KEYPOINTS]
    pieces: dict[str, Floats] = {
        "joints": points[:, :KEYPOINTS].reshape(windows, -1),
        "scores": scores,
        "mean_score": scores.mean(1, keepdims=True),
    }
    lags = {"short": window.short, "long": window.long, "slow": window.slow}
    velocities = {name: window.root_velocity(lag) for name, lag in lags.items()}
    pieces |= {f"root_velocity_{name}": velocity for name, velocity in velocities.items()}
    for name, velocity in velocities.items():
        pieces[f"root_speed_{name}"] = np.sqrt((velocity**2).sum(-1, keepdims=True))
    pieces["root_height"] = _vertical_movement(window)
    pieces |= _box(window)
    for name, a, b in (("shoulders", L_SHOULDER, R_SHOULDER), ("hips", L_HIP, R_HIP)):
        pieces[name] = np.where((present[:, a] & present[:, b])[:, None], points[:, a] - points[:, b], np.float32(0))
    for name, (a, b, c) in _ANGLES.items():
        pieces[f"bend_{name}"] = _bend(window, a, b, c)
    firsts, seconds = np.array(list(_PAIRS.values())).T
    distances, growth = window.distance(firsts, seconds, window.short)
    for column, name in enumerate(_PAIRS):
        pieces[f"distance_{name}"] = np.stack([distances[:, column], growth[:, column]], -1)
    for name, (a, b) in _RAISED.items():
        height = points[:, b, 1] - points[:, a, 1]
        pieces[name] = np.where(present[:, a] & present[:, b], height, np.float32(0))[:, None]
    pieces["root_is_pelvis"] = window.root_is_pelvis[:, -1:].astype(np.float32)
    filled = window.inside.sum(1, keepdims=True) / np.float32(window.inside.shape[1])
    pieces["history"] = filled.astype(np.float32)
    return pieces


def _vertical_movement(window: StepWindow) -> Floats:
    """Return how far the root is from its highest and lowest position in the last 1 s and 2 s, [M, 4]."""
    big = np.float32(1e6)
    height = window.roots[..., 1]
    found: list[Floats] = []
    for span in SPANS:
        recent = window.within(span)
        found.append(height[:, -1] - np.where(recent, height, big).min(1))
        found.append(np.where(recent, height, -big).max(1) - height[:, -1])
    return np.stack(found, -1)


def _box(window: StepWindow) -> dict[str, Floats]:
    """Return the box's aspect ratio (log), its height and the step's stature relative to the window's, each with its
    change, and the extent of the box below the root.
    """
    boxes, scale, lag = window.boxes, window.scale, window.long
    wide = np.maximum(boxes[..., 2] - boxes[..., 0], 1)
    high = np.maximum(boxes[..., 3] - boxes[..., 1], 1)
    found: dict[str, Floats] = {}
    for name, series in (
        ("aspect", np.log(wide / high)),
        ("height", high / scale[:, None]),
        ("stature", window.stature / scale[:, None]),
    ):
        change = np.where(lag.usable, series[:, -1] - lag.at(series), np.float32(0))
        found[f"box_{name}"] = np.stack([series[:, -1], change], -1).astype(np.float32)
    below = (boxes[:, -1, 3] / scale - window.roots[:, -1, 1])[:, None]
    found["box_below_root"] = below.astype(np.float32)
    return found


def _bend(window: StepWindow, a: int, b: int, c: int) -> Floats:
    """Return cosine and signed sine of the angle at b between a and c, [M, 2]; zeros where a joint is missing."""
    points, present = window.points_now, window.present_now
    u, v = points[:, b] - points[:, a], points[:, c] - points[:, b]
    size = np.maximum(np.sqrt((u * u).sum(-1) * (v * v).sum(-1)), _EPSILON)
    both = np.stack([(u * v).sum(-1), u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]], -1) / size[:, None]
    return np.where((present[:, a] & present[:, b] & present[:, c])[:, None], both, np.float32(0))
