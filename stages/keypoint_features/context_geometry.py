"""Context geometry: the features of the whole person in a step window, as named pieces. Pure, owns nothing.

They stand in as the object feature where nothing visual is known of an object.
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
    """Name → [M, …]: pose, root movement, box, posture, distances, certainty; statures and statures a second."""
    windows = len(window.now)
    now, sure, scores = window.now, window.sure, window.scores_now[:, :KEYPOINTS]
    pieces: dict[str, Floats] = {
        "joints": now[:, :KEYPOINTS].reshape(windows, -1),
        "scores": scores,
        "mean_score": scores.mean(1, keepdims=True),
    }
    lags = {"short": window.short, "long": window.long, "slow": window.slow}
    moved = {name: window.root_velocity(lag) for name, lag in lags.items()}
    pieces |= {f"root_velocity_{name}": velocity for name, velocity in moved.items()}
    for name, velocity in moved.items():
        pieces[f"root_speed_{name}"] = np.sqrt((velocity**2).sum(-1, keepdims=True))
    pieces["root_height"] = _vertical_movement(window)
    pieces |= _box(window)
    for name, a, b in (("shoulders", L_SHOULDER, R_SHOULDER), ("hips", L_HIP, R_HIP)):
        pieces[name] = np.where((sure[:, a] & sure[:, b])[:, None], now[:, a] - now[:, b], np.float32(0))
    for name, (a, b, c) in _ANGLES.items():
        pieces[f"bend_{name}"] = _bend(window, a, b, c)
    firsts, seconds = np.array(list(_PAIRS.values())).T
    apart, growth = window.distance(firsts, seconds, window.short)
    for column, name in enumerate(_PAIRS):
        pieces[f"distance_{name}"] = np.stack([apart[:, column], growth[:, column]], -1)
    for name, (a, b) in _RAISED.items():
        pieces[name] = np.where(sure[:, a] & sure[:, b], now[:, b, 1] - now[:, a, 1], np.float32(0))[:, None]
    pieces["root_is_pelvis"] = window.root_sure[:, -1:].astype(np.float32)
    filled = window.inside.sum(1, keepdims=True) / np.float32(window.inside.shape[1])
    pieces["history"] = filled.astype(np.float32)
    return pieces


def _vertical_movement(window: StepWindow) -> Floats:
    """[M, 4]: how far the root now lies from its highest and lowest place of the last 1 s and 2 s."""
    big = np.float32(1e6)
    height = window.roots[..., 1]
    found: list[Floats] = []
    for span in SPANS:
        recent = window.within(span)
        found.append(height[:, -1] - np.where(recent, height, big).min(1))
        found.append(np.where(recent, height, -big).max(1) - height[:, -1])
    return np.stack(found, -1)


def _box(window: StepWindow) -> dict[str, Floats]:
    """Box aspect (log), box height, this step's stature against the window's, each with its change; what the box shows
    below the root.
    """
    boxes, scale, lag = window.boxes, window.scale, window.long
    wide = np.maximum(boxes[..., 2] - boxes[..., 0], 1)
    high = np.maximum(boxes[..., 3] - boxes[..., 1], 1)
    found: dict[str, Floats] = {}
    for name, track in (
        ("aspect", np.log(wide / high)),
        ("height", high / scale[:, None]),
        ("stature", window.stature / scale[:, None]),
    ):
        change = np.where(lag.usable, track[:, -1] - lag.at(track), np.float32(0))
        found[f"box_{name}"] = np.stack([track[:, -1], change], -1).astype(np.float32)
    below = (boxes[:, -1, 3] / scale - window.roots[:, -1, 1])[:, None]
    found["box_below_root"] = below.astype(np.float32)
    return found


def _bend(window: StepWindow, a: int, b: int, c: int) -> Floats:
    """[M, 2]: cosine and signed sine of the bend at b; zeros where a joint is missing."""
    now, sure = window.now, window.sure
    u, v = now[:, b] - now[:, a], now[:, c] - now[:, b]
    size = np.maximum(np.sqrt((u * u).sum(-1) * (v * v).sum(-1)), _EPSILON)
    both = np.stack([(u * v).sum(-1), u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]], -1) / size[:, None]
    return np.where((sure[:, a] & sure[:, b] & sure[:, c])[:, None], both, np.float32(0))
