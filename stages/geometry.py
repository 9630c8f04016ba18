"""Keypoint geometry: what the joints of a person's last two seconds say about each part and about the whole body.

Pure functions on the host (numpy, float32), because the tracker is there. Nothing is kept here: a caller brings a
trailing window of steps. Every number is a ratio of the person's own stature (lengths) or statures a second
(velocities), so that neither picture size nor distance matters, up to perspective. A joint whose score is too low gives
zeros and a flag, never a guess.

`window_features` (streaming) and `sequence_features` (training) run the same code on the same windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stages.skeleton import (
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

GEOMETRY_VERSION = 1
"""Counts up with every change of what a feature means: a checkpoint is only good for the geometry it was trained on."""

HISTORY_SECONDS = 2.0
"""How far back geometry looks: still or moving is decided over about 2 s."""

HISTORY_STEPS = 26
"""Steps kept for each person: 2 s at 12.5 steps a second, both ends included."""

SHORT_LAG, LONG_LAG = 0.2, 0.5
"""Seconds over which velocities are taken: quick movements, and steady ones that joint noise would hide."""

_LAG_RANGE = (0.06, 2.5)
"""A lag's reference step is at least this many seconds and at most this many lags back."""

_ROOT_LAGS = (SHORT_LAG, LONG_LAG, 1.0)
_SPANS = (1.0, HISTORY_SECONDS)
_EPSILON = np.float32(1e-6)


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
    """Features of the last step of each of M trailing windows.

    `keypoints` [M, H, 17, 3] and `boxes` [M, H, 4] in pixels of one picture, `times_us` int64 [M, H] media time,
    non-decreasing, `valid` bool [M, H]: steps that exist; the last one always does. Earlier slots may be empty.
    """
    points, scores, present = skeleton_points(np.asarray(keypoints, np.float32), joint_score)
    boxes = np.asarray(boxes, np.float32)
    ages = _ages(np.asarray(times_us), np.asarray(valid, bool))
    return _features(points, scores, present, boxes, step_stature(points, present, boxes), ages)


def sequence_features(
    keypoints: Floats,
    boxes: Floats,
    times_us: NDArray[np.int64],
    joint_score: float = JOINT_SCORE,
    windows_at_once: int = 2048,
) -> Geometry:
    """Features of every step of N sequences, each from its own trailing window: [N, T, …] → [N, T, …].

    `keypoints` [N, T, 17, 3] and `boxes` [N, T, 4] in pixels, `times_us` int64 [N, T] strictly the steps that a person
    took (a dropped frame is no step, it only leaves a longer gap). Pad shorter sequences at the end; what stands at
    padded steps means nothing, and earlier steps don't see it. Memory is bounded by `windows_at_once`.
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
        made = _features(flat[0], flat[1], flat[2], flat[3], flat[4], _ages(flat[5], flat[6]))
        parts[block] = made.parts.reshape(-1, steps, *made.parts.shape[1:])
        context[block] = made.context.reshape(-1, steps, made.context.shape[1])
    return Geometry(parts, context)


def _trailing(array: NDArray) -> NDArray:
    """[N, T, …] → read-only view [N, T, HISTORY_STEPS, …]: at t the steps t-H+1 … t, zeros before the first."""
    padding = [(0, 0)] * array.ndim
    padding[1] = (HISTORY_STEPS - 1, 0)
    windows = sliding_window_view(np.pad(array, padding), HISTORY_STEPS, axis=1)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return np.moveaxis(windows, -1, 2)


def _ages(times_us: NDArray[np.int64], valid: Flags) -> Floats:
    """Seconds from each step to the window's last, [M, H]; infinite where there is no step or it is too old."""
    ages = ((times_us[:, -1:] - times_us) * 1e-6).astype(np.float32)
    return np.where(valid & (ages <= HISTORY_SECONDS + 1e-3), ages, np.float32(np.inf))


def _features(points: Floats, scores: Floats, present: Flags, boxes: Floats, stature: Floats, ages: Floats) -> Geometry:
    """The features themselves. Shapes [M, H, …]; M windows of H steps, the last of which is described."""
    windows, history = ages.shape
    inside = np.isfinite(ages)
    scale = _robust_scale(stature, inside)
    root, root_sure = _roots(points, present, boxes)
    scaled = (np.float32(1) / scale)[:, None, None].astype(np.float32)
    relative = ((points - root[:, :, None, :]) * scaled[..., None]).astype(np.float32)
    relative[~present] = 0
    present = present & inside[:, :, None]
    roots = (root * scaled).astype(np.float32)

    now, sure = relative[:, -1], present[:, -1]
    lags = [_lag_index(ages, lag) for lag in (SHORT_LAG, LONG_LAG)]
    velocity = [_point_velocity(relative, present, ages, lag) for lag in lags]
    root_velocity = [_root_velocity(roots, ages, _lag_index(ages, lag)) for lag in _ROOT_LAGS]
    parts = _part_features(now, scores[:, -1], sure, relative, present, ages, lags, velocity, root_velocity)
    context = _context_features(
        now, scores[:, -1], sure, relative, present, boxes, stature, scale, ages, lags, root_velocity, roots
    )
    context.append(root_sure[:, -1:].astype(np.float32))
    context.append((inside.sum(1, keepdims=True) / np.float32(history)).astype(np.float32))
    return Geometry(
        np.concatenate(parts, -1, dtype=np.float32).reshape(windows, len(CHAINS), -1),
        np.clip(np.concatenate(context, -1, dtype=np.float32), -_LIMIT, _LIMIT),
    )


_LIMIT = np.float32(8.0)
"""Features are clipped to ± this: a wild joint is a fault of the detector, not a movement."""

_UPPER_SHARE = 0.8
"""The window's stature is this quantile of its steps' statures: a running maximum that one bad step can't move."""


def _robust_scale(stature: Floats, inside: Flags) -> Floats:
    """[M, H] → [M], pixels: the upper quantile of the statures of the window's steps."""
    ordered = np.sort(np.where(inside, stature, np.float32(-1)), axis=1)
    count = inside.sum(1)
    rank = ordered.shape[1] - count + np.floor(_UPPER_SHARE * (count - 1)).astype(np.int64)
    return np.maximum(ordered[np.arange(len(ordered)), rank], 1)


def _roots(points: Floats, present: Flags, boxes: Floats) -> tuple[Floats, Flags]:
    """The body's origin [M, H, 2] and whether it is the pelvis: else under the neck, else the box's centre."""
    height = boxes[..., 3] - boxes[..., 1]
    centre = np.stack([(boxes[..., 0] + boxes[..., 2]) * 0.5, boxes[..., 1] + height * 0.55], -1)
    below_neck = points[..., NECK, :] + np.stack([np.zeros_like(height), height * np.float32(0.3)], -1)
    stand_in = np.where(present[..., NECK, None], below_neck, centre)
    sure = present[..., PELVIS]
    return np.where(sure[..., None], points[..., PELVIS, :], stand_in).astype(np.float32), sure


def _lag_index(ages: Floats, lag: float) -> tuple[NDArray[np.int64], Flags]:
    """The step [M] whose age is nearest to `lag` seconds, and whether one is near enough."""
    with np.errstate(invalid="ignore"):
        usable = (ages >= _LAG_RANGE[0]) & (ages <= lag * _LAG_RANGE[1])
        distance = np.where(usable, np.abs(ages - np.float32(lag)), np.float32(np.inf))
    return distance.argmin(1), np.asarray(usable.any(1))


def _at(values: NDArray, index: NDArray[np.int64]) -> NDArray:
    return values[np.arange(len(values)), index]


def _point_velocity(relative: Floats, present: Flags, ages: Floats, lag: tuple[NDArray[np.int64], Flags]) -> Floats:
    """Statures a second of every point relative to the root, [M, 25, 2]; zero where either end is missing."""
    index, usable = lag
    seconds = np.where(usable, _at(ages, index), np.float32(1)).astype(np.float32)
    both = present[:, -1] & _at(present, index) & usable[:, None]
    moved = (relative[:, -1] - _at(relative, index)) / seconds[:, None, None]
    return np.where(both[..., None], moved, np.float32(0))


def _root_velocity(roots: Floats, ages: Floats, lag: tuple[NDArray[np.int64], Flags]) -> Floats:
    """Statures a second of the root in the picture, [M, 2]."""
    index, usable = lag
    seconds = np.where(usable, _at(ages, index), np.float32(1)).astype(np.float32)
    return np.where(usable[:, None], (roots[:, -1] - _at(roots, index)) / seconds[:, None], np.float32(0))


def _segments(points: Floats, present: Flags) -> tuple[Floats, Floats]:
    """Of every part's chain: unit directions and lengths [..., 10, 6], cosine and sine of the bend [..., 10, 2]."""
    chain = np.array(CHAINS)
    first = points[..., chain[:, 1], :] - points[..., chain[:, 0], :]
    second = points[..., chain[:, 2], :] - points[..., chain[:, 1], :]
    pieces, units = [], []
    for vector, (a, b) in ((first, (0, 1)), (second, (1, 2))):
        ok = present[..., chain[:, a]] & present[..., chain[:, b]]
        length = np.sqrt((vector * vector).sum(-1))
        unit = np.where(ok[..., None], vector / np.maximum(length, _EPSILON)[..., None], np.float32(0))
        units.append(unit)
        pieces += [unit, np.where(ok, length, np.float32(0))[..., None]]
    u, v = units
    cosine = (u * v).sum(-1)
    sine = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return np.concatenate(pieces, -1), np.stack([cosine, sine], -1)


def _movement_range(ends: Floats, seen: Flags, ages: Floats) -> list[Floats]:
    """Of the parts' ends [M, H, 10, 2] over 1 s and 2 s: range in x and y, and distance travelled a second."""
    big = np.float32(1e6)
    both = (seen[:, 1:] & seen[:, :-1])[..., None]
    stride = np.where(both, np.abs(ends[:, 1:] - ends[:, :-1]), np.float32(0))
    found = []
    for span in _SPANS:
        recent = (ages <= span + 1e-3)[:, :, None]
        used = (seen & recent)[..., None]
        high = np.where(used, ends, -big).max(1)
        low = np.where(used, ends, big).min(1)
        found.append(np.where(high > low, high - low, np.float32(0)))
        within = (ages[:, :-1] <= span + 1e-3)[:, :, None, None]
        duration = np.where(recent[..., 0], ages, np.float32(0)).max(1)
        travelled = np.where(within, stride, np.float32(0)).sum(1)
        found.append(travelled / np.maximum(duration, np.float32(0.2))[:, None, None])
    return found


def _part_features(
    now: Floats,
    scores: Floats,
    sure: Flags,
    relative: Floats,
    present: Flags,
    ages: Floats,
    lags: list[tuple[NDArray[np.int64], Flags]],
    velocity: list[Floats],
    root_velocity: list[Floats],
) -> list[Floats]:
    """Pieces [M, 10, …] that make up PART_FEATURES, in this order: place, certainty, shape, movement, relations."""
    windows = len(now)
    chain = np.array(CHAINS)
    end = chain[:, 2]
    pieces = [now[:, chain].reshape(windows, len(CHAINS), 6), scores[:, chain], sure[:, chain].astype(np.float32)]
    shape, bend = _segments(now, sure)
    pieces += [shape, bend]
    for lag, moved in zip(lags, velocity, strict=True):
        before = _segments(_at(relative, lag[0]), _at(present, lag[0]))[1]
        known = (np.abs(bend).sum(-1) > 0) & (np.abs(before).sum(-1) > 0) & lag[1][:, None]
        pieces += [
            moved[:, end],
            moved[:, chain[:, 1]],
            np.sqrt((moved[:, end] ** 2).sum(-1))[..., None],
            np.where(known[..., None], bend - before, np.float32(0)),
        ]
    # Speed over the ground, as far as the picture shows it: a foot that stands doesn't move.
    for moved, of_root in zip(velocity, root_velocity[:2], strict=True):
        ground = np.where(sure[:, end, None], moved[:, end] + of_root[:, None], np.float32(0))
        pieces += [ground, np.sqrt((ground**2).sum(-1))[..., None]]
    pieces += _movement_range(relative[:, :, end], present[:, :, end], ages)
    pieces.append(np.where((sure[:, end] & sure[:, NECK, None])[..., None], now[:, end] - now[:, None, NECK], 0))
    other = end[list(MIRRORED)]
    for a, b in ((end, other), (end, np.full_like(end, FACE))):
        apart = np.where((sure[:, a] & sure[:, b])[..., None], now[:, a] - now[:, b], np.float32(0))
        distance = np.sqrt((apart**2).sum(-1))
        index, usable = lags[0]
        then = _at(relative, index)
        both = _at(present, index)
        known = sure[:, a] & sure[:, b] & both[:, a] & both[:, b] & usable[:, None]
        seconds = np.where(usable, _at(ages, index), np.float32(1))[:, None]
        was = np.sqrt(((then[:, a] - then[:, b]) ** 2).sum(-1))
        pieces += [apart, distance[..., None], np.where(known, (distance - was) / seconds, np.float32(0))[..., None]]
    return [np.clip(piece, -_LIMIT, _LIMIT) for piece in pieces]


def _context_features(
    now: Floats,
    scores: Floats,
    sure: Flags,
    relative: Floats,
    present: Flags,
    boxes: Floats,
    stature: Floats,
    scale: Floats,
    ages: Floats,
    lags: list[tuple[NDArray[np.int64], Flags]],
    root_velocity: list[Floats],
    roots: Floats,
) -> list[Floats]:
    """Pieces [M, …] that describe the whole person: pose, root movement, box, posture, distances, certainty."""
    windows = len(now)
    pieces: list[Floats] = [now[:, :KEYPOINTS].reshape(windows, -1), scores[:, :KEYPOINTS]]
    pieces.append(scores[:, :KEYPOINTS].mean(1, keepdims=True))
    pieces += root_velocity
    pieces += [np.sqrt((moved**2).sum(-1, keepdims=True)) for moved in root_velocity]
    pieces.append(_vertical_movement(roots, ages))

    wide = np.maximum(boxes[..., 2] - boxes[..., 0], 1)
    high = np.maximum(boxes[..., 3] - boxes[..., 1], 1)
    aspect = np.log(wide / high)
    tall = high / scale[:, None]
    index, usable = lags[1]
    ratio = stature / scale[:, None]
    for track in (aspect, tall, ratio):
        pieces += [
            track[:, -1:],
            np.where(usable, track[:, -1] - _at(track, index), np.float32(0))[:, None].astype(np.float32),
        ]
    sunk = (boxes[:, -1, 3] / scale - roots[:, -1, 1])[:, None]
    pieces.append(sunk.astype(np.float32))

    shoulders = np.where(
        (sure[:, L_SHOULDER] & sure[:, R_SHOULDER])[:, None], now[:, L_SHOULDER] - now[:, R_SHOULDER], 0
    )
    hips = np.where((sure[:, L_HIP] & sure[:, R_HIP])[:, None], now[:, L_HIP] - now[:, R_HIP], 0)
    pieces += [shoulders, hips]
    for a, b, c in (
        (L_HIP, L_KNEE, L_ANKLE),
        (R_HIP, R_KNEE, R_ANKLE),
        (L_SHOULDER, L_HIP, L_KNEE),
        (R_SHOULDER, R_HIP, R_KNEE),
        (NECK, PELVIS, KNEES),
    ):
        pieces.append(_angle(now, sure, a, b, c))
    for a, b in ((L_WRIST, R_WRIST), (L_ANKLE, R_ANKLE), (L_ELBOW, R_ELBOW), (L_KNEE, R_KNEE)):
        pieces.append(_distance(relative, present, ages, lags[0], a, b))
    for a, b in ((L_WRIST, L_SHOULDER), (R_WRIST, R_SHOULDER), (L_WRIST, FACE), (R_WRIST, FACE), (PELVIS, KNEES)):
        pieces.append(np.where(sure[:, a] & sure[:, b], now[:, b, 1] - now[:, a, 1], np.float32(0))[:, None])
    return pieces


def _vertical_movement(roots: Floats, ages: Floats) -> Floats:
    """[M, 4]: how far the root now lies from its highest and lowest place of the last 1 s and 2 s, in statures."""
    big = np.float32(1e6)
    height = roots[..., 1]
    found = []
    for span in _SPANS:
        recent = ages <= span + 1e-3
        found.append(height[:, -1] - np.where(recent, height, big).min(1))
        found.append(np.where(recent, height, -big).max(1) - height[:, -1])
    return np.stack(found, -1)


def _angle(now: Floats, sure: Flags, a: int, b: int, c: int) -> Floats:
    """[M, 2]: cosine and signed sine of the bend at b; zeros where a joint is missing."""
    u, v = now[:, b] - now[:, a], now[:, c] - now[:, b]
    size = np.maximum(np.sqrt((u * u).sum(-1) * (v * v).sum(-1)), _EPSILON)
    both = np.stack([(u * v).sum(-1), u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]], -1) / size[:, None]
    return np.where((sure[:, a] & sure[:, b] & sure[:, c])[:, None], both, np.float32(0))


def _distance(
    relative: Floats, present: Flags, ages: Floats, lag: tuple[NDArray[np.int64], Flags], a: int, b: int
) -> Floats:
    """[M, 2]: how far apart two points are, in statures, and how fast that changes."""
    index, usable = lag
    apart = np.sqrt(((relative[:, -1, a] - relative[:, -1, b]) ** 2).sum(-1))
    then, seen = _at(relative, index), _at(present, index)
    was = np.sqrt(((then[:, a] - then[:, b]) ** 2).sum(-1))
    sure = present[:, -1, a] & present[:, -1, b]
    known = sure & seen[:, a] & seen[:, b] & usable
    seconds = np.where(usable, _at(ages, index), np.float32(1))
    return np.stack([np.where(sure, apart, 0), np.where(known, (apart - was) / seconds, 0)], -1).astype(np.float32)


def _sizes() -> tuple[int, int]:
    """Feature counts, from the code that makes them."""
    empty = np.zeros((1, HISTORY_STEPS, KEYPOINTS, 3), np.float32)
    boxes = np.zeros((1, HISTORY_STEPS, 4), np.float32)
    made = window_features(empty, boxes, np.zeros((1, HISTORY_STEPS), np.int64), np.ones((1, HISTORY_STEPS), bool))
    return made.parts.shape[-1], made.context.shape[-1]


PART_FEATURES, CONTEXT_FEATURES = _sizes()
"""Numbers of features of a part and of the whole person."""
