"""Keypoint geometry: what the joints of a person's last two seconds say about each part and about the whole body.

Pure functions on the host (numpy, float32), because the tracker is there. Nothing is kept here: a caller brings a
trailing window of steps. Every number is a ratio of the person's own stature (lengths) or statures a second
(velocities), so that neither picture size nor distance matters, up to perspective. A joint whose score is too low gives
zeros and a flag, never a guess.

`window_features` (streaming) and `sequence_features` (training) run the same code on the same windows. Which features
there are: part_geometry.py, context_geometry.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stages.keypoint_features.context_geometry import context_features
from stages.keypoint_features.part_geometry import part_features
from stages.keypoint_features.skeleton import (
    CHAINS,
    JOINT_SCORE,
    KEYPOINTS,
    Flags,
    Floats,
    skeleton_points,
    step_stature,
)
from stages.keypoint_features.step_window import HISTORY_STEPS, StepWindow, step_ages

GEOMETRY_VERSION = 1
"""Counts up with every change of what a feature means: a checkpoint is only good for the geometry it was trained on."""

LIMIT = np.float32(8.0)
"""Features are clipped to ± this: a wild joint is a fault of the detector, not a movement."""


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
    return _described(_window(keypoints, boxes, times_us, valid, joint_score))


def sequence_features(
    keypoints: Floats,
    boxes: Floats,
    times_us: NDArray[np.int64],
    joint_score: float = JOINT_SCORE,
    windows_at_once: int = 256,
) -> Geometry:
    """Features of every step of N sequences, each from its own trailing window: [N, T, …] → [N, T, …].

    `keypoints` [N, T, 17, 3] and `boxes` [N, T, 4] in pixels, `times_us` int64 [N, T] strictly the steps that a person
    took (a dropped frame is no step, it only leaves a longer gap). Pad shorter sequences at the end; what stands at
    padded steps means nothing, and earlier steps don't see it. Memory is bounded by `windows_at_once`; 256 windows stay
    in a core's cache, which is a fifth faster than 2,048.
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
        made = _described(StepWindow(flat[0], flat[1], flat[2], flat[3], flat[4], step_ages(flat[5], flat[6])))
        parts[block] = made.parts.reshape(-1, steps, *made.parts.shape[1:])
        context[block] = made.context.reshape(-1, steps, made.context.shape[1])
    return Geometry(parts, context)


def _window(
    keypoints: Floats, boxes: Floats, times_us: NDArray[np.int64], valid: Flags, joint_score: float
) -> StepWindow:
    points, scores, present = skeleton_points(np.asarray(keypoints, np.float32), joint_score)
    boxes = np.asarray(boxes, np.float32)
    ages = step_ages(np.asarray(times_us), np.asarray(valid, bool))
    return StepWindow(points, scores, present, boxes, step_stature(points, present, boxes), ages)


def _described(window: StepWindow) -> Geometry:
    parts = np.concatenate(list(part_features(window).values()), -1, dtype=np.float32)
    context = np.concatenate(list(context_features(window).values()), -1, dtype=np.float32)
    return Geometry(np.clip(parts, -LIMIT, LIMIT), np.clip(context, -LIMIT, LIMIT))


def _trailing(array: NDArray) -> NDArray:
    """[N, T, …] → read-only view [N, T, HISTORY_STEPS, …]: at t the steps t-H+1 … t, zeros before the first."""
    padding = [(0, 0)] * array.ndim
    padding[1] = (HISTORY_STEPS - 1, 0)
    padded: NDArray = np.pad(array, padding)
    windows: NDArray = sliding_window_view(padded, HISTORY_STEPS, axis=1)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return np.moveaxis(windows, -1, 2)


def _layout(pieces: dict[str, Floats]) -> dict[str, slice]:
    found: dict[str, slice] = {}
    start = 0
    for name, piece in pieces.items():
        found[name] = slice(start, start + piece.shape[-1])
        start += piece.shape[-1]
    return found


_EMPTY = _window(
    np.zeros((1, HISTORY_STEPS, KEYPOINTS, 3), np.float32),
    np.zeros((1, HISTORY_STEPS, 4), np.float32),
    np.zeros((1, HISTORY_STEPS), np.int64),
    np.ones((1, HISTORY_STEPS), bool),
    JOINT_SCORE,
)

PART_LAYOUT = _layout(part_features(_EMPTY))
"""Where each named feature lies in a part's features."""

CONTEXT_LAYOUT = _layout(context_features(_EMPTY))
"""Where each named feature lies in the context features."""

PART_FEATURES = max(place.stop for place in PART_LAYOUT.values())
CONTEXT_FEATURES = max(place.stop for place in CONTEXT_LAYOUT.values())
"""Numbers of features of a part and of the whole person."""
