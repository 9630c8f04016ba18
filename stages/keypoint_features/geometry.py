"""Geometric features of the body parts and the whole person, from the keypoints of the last two seconds.

They are computed on the host (numpy, float32), where the tracker runs, from a trailing window of steps that the caller
keeps. Lengths are in statures of the person and velocities in statures per second, so that, apart from perspective,
features do not depend on picture size or distance. A joint whose score is too low gives zeros and a flag.

`window_features` (streaming) and `sequence_features` (training) run the same code on the same windows. The features are
defined in part_geometry.py and context_geometry.py.
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
