"""Geometric features of the body parts and the whole person, from the keypoints of the last two seconds.

They are computed on the host (numpy, float32), where the tracker runs, from a trailing window of steps that the caller
keeps. Lengths are in statures of the person and velocities in statures per second, so that, apart from perspective,
features do not depend on picture size or distance. A joint whose score is too low gives zeros and a flag.

`window_features` (streaming) and `sequence_features` (training) run the same code on the same windows.
Features of the whole person replace the object feature where no visual features of objects are available.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stages.keypoint_features.skeleton import (
    CHAINS,
    FACE,
    JOINT_SCORE,
    KEYPOINTS,
    KNEES,
    L_ANKLE,
    L_ELBOW,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    MIRRORED,
    NECK,
    PELVIS,
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
from stages.keypoint_features.step_window import HISTORY_STEPS, SPANS, Lag, StepWindow, step_ages

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


_MIN_SPAN_S = np.float32(0.2)
"""Least duration over which the distance travelled per second is computed for a new track."""

_CHAIN = np.array(CHAINS)
_ROOTS, _JOINTS, _ENDS = _CHAIN.T


def part_features(window: StepWindow) -> dict[str, Floats]:
    """Return features of each part's chain root → joint → end by name, [M, 10, …], in statures and seconds."""
    windows = len(window.points_now)
    points, present = window.points_now, window.present_now
    direction, bend = _segments(points, present)
    pieces: dict[str, Floats] = {
        "place": points[:, _CHAIN].reshape(windows, len(CHAINS), 6),
        "scores": window.scores_now[:, _CHAIN],
        "present": present[:, _CHAIN].astype(np.float32),
        "segments": direction,
        "bend": bend,
    }
    lags = {"short": window.short, "long": window.long}
    velocity = {name: window.velocity(lag) for name, lag in lags.items()}
    for name, lag in lags.items():
        of_points = velocity[name]
        pieces[f"end_velocity_{name}"] = of_points[:, _ENDS]
        pieces[f"joint_velocity_{name}"] = of_points[:, _JOINTS]
        pieces[f"end_speed_{name}"] = _length(of_points[:, _ENDS])[..., None]
        pieces[f"bend_change_{name}"] = _bend_change(window, bend, lag)
    # Relative to the picture instead of the root, so that a standing foot has velocity 0.
    for name, lag in lags.items():
        ground = np.where(
            present[:, _ENDS, None], velocity[name][:, _ENDS] + window.root_velocity(lag)[:, None], np.float32(0)
        )
        pieces[f"ground_velocity_{name}"] = ground
        pieces[f"ground_speed_{name}"] = _length(ground)[..., None]
    pieces |= _movement(window)
    neck = (present[:, _ENDS] & present[:, NECK, None])[..., None]
    pieces["end_from_neck"] = np.where(neck, points[:, _ENDS] - points[:, None, NECK], np.float32(0))
    for name, other in (("mirrored", _ENDS[list(MIRRORED)]), ("face", np.full_like(_ENDS, FACE))):
        both = (present[:, _ENDS] & present[:, other])[..., None]
        offset = np.where(both, points[:, _ENDS] - points[:, other], np.float32(0))
        pieces[f"end_from_{name}"] = offset
        pieces[f"distance_{name}"] = _length(offset)[..., None]
        pieces[f"approach_{name}"] = window.distance(_ENDS, other, window.short)[1][..., None]
    return pieces


def _length(vectors: Floats) -> Floats:
    return np.sqrt((vectors**2).sum(-1))


def _segments(points: Floats, present: Flags) -> tuple[Floats, Floats]:
    """Return unit directions and lengths of each chain, [M, 10, 6], and cosine and sine of its bend, [M, 10, 2]."""
    pieces: list[Floats] = []
    units: list[Floats] = []
    for a, b in ((_ROOTS, _JOINTS), (_JOINTS, _ENDS)):
        vector = points[:, b, :] - points[:, a, :]
        ok = present[:, a] & present[:, b]
        length = np.sqrt((vector * vector).sum(-1))
        unit = np.where(ok[..., None], vector / np.maximum(length, _EPSILON)[..., None], np.float32(0))
        units.append(unit)
        pieces += [unit, np.where(ok, length, np.float32(0))[..., None]]
    u, v = units
    cosine = (u * v).sum(-1)
    sine = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return np.concatenate(pieces, -1, dtype=np.float32), np.stack([cosine, sine], -1, dtype=np.float32)


def _bend_change(window: StepWindow, bend: Floats, lag: Lag) -> Floats:
    """Return the change of cosine and sine of the bend over the lag, [M, 10, 2]; zero where either is unknown."""
    before = _segments(lag.at(window.points), lag.at(window.present))[1]
    known = (np.abs(bend).sum(-1) > 0) & (np.abs(before).sum(-1) > 0) & lag.usable[:, None]
    return np.where(known[..., None], bend - before, np.float32(0))


def _movement(window: StepWindow) -> dict[str, Floats]:
    """Return range, and distance travelled per second, in x and y, of the parts' ends over 1 s and 2 s."""
    # Steps come before windows, [2, H, M, 10], so that reductions over H run along long rows.
    ends = np.ascontiguousarray(window.points[:, :, _ENDS].transpose(3, 1, 0, 2))
    present = np.ascontiguousarray(window.present[:, :, _ENDS].swapaxes(0, 1))
    ages = np.ascontiguousarray(window.ages.T)
    big = np.float32(1e6)
    stride = np.where(present[1:] & present[:-1], np.abs(ends[:, 1:] - ends[:, :-1]), np.float32(0))
    found: dict[str, Floats] = {}
    for span in SPANS:
        recent = window.within(span).T
        used = present & recent[..., None]
        high = np.where(used, ends, -big).max(1)
        low = np.where(used, ends, big).min(1)
        found[f"range_{span:.0f}s"] = np.where(high > low, high - low, np.float32(0)).transpose(1, 2, 0)
        duration = np.where(recent, ages, np.float32(0)).max(0)
        travelled = np.where(recent[:-1, :, None], stride, np.float32(0)).sum(1)
        rate = travelled / np.maximum(duration, _MIN_SPAN_S)[:, None]
        found[f"travelled_{span:.0f}s"] = rate.transpose(1, 2, 0)
    return found


GEOMETRY_VERSION = 1
"""Increased with every change of a feature's meaning; checkpoints work only with the version they were trained on."""

LIMIT = np.float32(8.0)
"""Features are clipped to ± this, because larger values are detector errors rather than movements."""


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Features of M steps: `parts` float32 [M, 10, PART_FEATURES], `context` float32 [M, CONTEXT_FEATURES].

    From `sequence_features` the leading shape is [N, T] instead of [M].
    """

    parts: Floats
    context: Floats


def window_features(
    keypoints: Floats, boxes: Floats, times_us: NDArray[np.int64], valid: Flags, joint_score: float = JOINT_SCORE
) -> Geometry:
    """Compute the features of the last step of each of M trailing windows.

    `keypoints` [M, H, 17, 3] and `boxes` [M, H, 4] in pixels of one picture; `times_us` int64 [M, H]: non-decreasing
    media times; `valid` bool [M, H]: which steps exist. The last step must exist.
    """
    return _features_of(_window(keypoints, boxes, times_us, valid, joint_score))


def sequence_features(
    keypoints: Floats,
    boxes: Floats,
    times_us: NDArray[np.int64],
    joint_score: float = JOINT_SCORE,
    windows_at_once: int = 256,
) -> Geometry:
    """Compute the features of every step of N sequences from its trailing window: [N, T, …] → [N, T, …].

    `keypoints` [N, T, 17, 3] and `boxes` [N, T, 4] in pixels; `times_us` int64 [N, T]: media times. Only steps that the
    person made are included; a dropped frame leaves a longer gap. Pad shorter sequences at the end; the features of
    padded steps are meaningless and don't affect other steps. `windows_at_once` limits memory; 256 windows stay in a
    core's cache, which is a fifth faster than 2,048.
    """
    keypoints = np.asarray(keypoints, np.float32)
    boxes = np.asarray(boxes, np.float32)
    sequences, steps = keypoints.shape[:2]
    points, scores, present = skeleton_points(keypoints, joint_score)
    stature = step_stature(points, present, boxes)
    valid = np.ones((sequences, steps), bool)
    views = [_trailing(array) for array in (points, scores, present, boxes, stature, np.asarray(times_us), valid)]
    parts = np.empty((sequences, steps, len(CHAINS), PART_FEATURES), np.float32)
    context = np.empty((sequences, steps, CONTEXT_FEATURES), np.float32)
    rows = max(1, windows_at_once // max(steps, 1))
    for start in range(0, sequences, rows):
        block = slice(start, start + rows)
        flat = [np.ascontiguousarray(view[block]).reshape(-1, *view.shape[2:]) for view in views]
        features = _features_of(StepWindow(flat[0], flat[1], flat[2], flat[3], flat[4], step_ages(flat[5], flat[6])))
        parts[block] = features.parts.reshape(-1, steps, *features.parts.shape[1:])
        context[block] = features.context.reshape(-1, steps, features.context.shape[1])
    return Geometry(parts, context)


def _window(
    keypoints: Floats, boxes: Floats, times_us: NDArray[np.int64], valid: Flags, joint_score: float
) -> StepWindow:
    points, scores, present = skeleton_points(np.asarray(keypoints, np.float32), joint_score)
    boxes = np.asarray(boxes, np.float32)
    ages = step_ages(np.asarray(times_us), np.asarray(valid, bool))
    return StepWindow(points, scores, present, boxes, step_stature(points, present, boxes), ages)


def _features_of(window: StepWindow) -> Geometry:
    parts = np.concatenate(list(part_features(window).values()), -1, dtype=np.float32)
    context = np.concatenate(list(context_features(window).values()), -1, dtype=np.float32)
    return Geometry(np.clip(parts, -LIMIT, LIMIT), np.clip(context, -LIMIT, LIMIT))


def _trailing(array: NDArray) -> NDArray:
    """View [N, T, …] as [N, T, HISTORY_STEPS, …], read-only: at t the steps t-H+1 … t, zeros before the first."""
    padding = [(0, 0)] * array.ndim
    padding[1] = (HISTORY_STEPS - 1, 0)
    padded: NDArray = np.pad(array, padding)
    windows: NDArray = sliding_window_view(padded, HISTORY_STEPS, axis=1)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return np.moveaxis(windows, -1, 2)


def _layout(pieces: dict[str, Floats]) -> dict[str, slice]:
    layout: dict[str, slice] = {}
    start = 0
    for name, piece in pieces.items():
        layout[name] = slice(start, start + piece.shape[-1])
        start += piece.shape[-1]
    return layout


_EMPTY = _window(
    np.zeros((1, HISTORY_STEPS, KEYPOINTS, 3), np.float32),
    np.zeros((1, HISTORY_STEPS, 4), np.float32),
    np.zeros((1, HISTORY_STEPS), np.int64),
    np.ones((1, HISTORY_STEPS), bool),
    JOINT_SCORE,
)

PART_LAYOUT = _layout(part_features(_EMPTY))
"""Slice of each named feature in a part's features."""

CONTEXT_LAYOUT = _layout(context_features(_EMPTY))
"""Slice of each named feature in the context features."""

PART_FEATURES = max(place.stop for place in PART_LAYOUT.values())
"""Number of features of a part."""

CONTEXT_FEATURES = max(place.stop for place in CONTEXT_LAYOUT.values())
"""Number of features of the whole person."""
