"""Windows of people's last two seconds of steps, relative to the body's root (the pelvis) and in statures.

Part and context geometry compute their features from them. All values are float32. In memory all x come before all y,
because arithmetic on interleaved pairs takes several times as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.keypoint_features.skeleton import NECK, PELVIS, Flags, Floats

HISTORY_SECONDS = 2.0
"""Length of a window. Whether a part is still or moving is decided over about 2 s."""

HISTORY_STEPS = 26
"""Steps kept per person: 2 s at 12.5 steps per second, including both ends."""

SHORT_LAG, LONG_LAG, SLOW_LAG = 0.2, 0.5, 1.0
"""Seconds over which velocities are computed: of quick movements, of steady ones that noise would hide, and of the
root."""

SPANS = (1.0, HISTORY_SECONDS)
"""Seconds over which ranges of movement are computed."""

_LAG_RANGE = (0.06, 2.5)
"""The reference step of a lag is at least this many seconds and at most this many times the lag back."""

_UPPER_SHARE = 0.8
"""The window's stature is this quantile of its steps' statures, so that one wrong step doesn't change it."""

_TIME_TOLERANCE = 1e-3
"""In seconds; some containers round times to milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Lag:
    """The step one lag back in each window: `index` [M], `usable` [M] (whether it exists) and age in `seconds` [M]."""

    index: NDArray[np.int64]
    usable: Flags
    seconds: Floats

    def at(self, values: NDArray) -> NDArray:
        """Return `values` [M, H, …] at that step: [M, …]."""
        return values[np.arange(len(values)), self.index]


class StepWindow:
    """M windows of H steps; features describe the last step of each."""

    def __init__(
        self, points: Floats, scores: Floats, present: Flags, boxes: Floats, stature: Floats, ages: Floats
    ) -> None:
        """`points` [M, H, 25, 2], `scores` and `present` [M, H, 25] (`skeleton_points`), `boxes` [M, H, 4], `stature`
        [M, H] (`step_stature`), `ages` [M, H] (`step_ages`).
        """
        self.boxes = boxes
        self.stature = stature
        self.ages = ages
        self.inside = np.isfinite(ages)
        self.scale = _window_stature(stature, self.inside)
        points = _planar(points)
        root, self.root_is_pelvis = _roots(points, present, boxes)
        per_pixel = (np.float32(1) / self.scale)[:, None, None].astype(np.float32)
        relative = ((points - root[:, :, None, :]) * per_pixel[..., None]).astype(np.float32)
        self.points = np.where(present[..., None], relative, np.float32(0))
        """[M, H, 25, 2], zeros where missing."""
        self.present = present & self.inside[:, :, None]
        """bool [M, H, 25]"""
        self.roots = (root * per_pixel).astype(np.float32)
        """[M, H, 2]: the root's position in the picture, in statures."""
        self.points_now = self.points[:, -1]
        self.present_now = self.present[:, -1]
        self.scores_now = scores[:, -1]
        self.short, self.long, self.slow = (self._lag(seconds) for seconds in (SHORT_LAG, LONG_LAG, SLOW_LAG))

    def velocity(self, lag: Lag) -> Floats:
        """Return the velocity of every point relative to the root, [M, 25, 2], in statures per second.

        It is zero if the point is missing now or one lag back.
        """
        both = self.present_now & lag.at(self.present) & lag.usable[:, None]
        moved = (self.points_now - lag.at(self.points)) / lag.seconds[:, None, None]
        return np.where(both[..., None], moved, np.float32(0))

    def root_velocity(self, lag: Lag) -> Floats:
        """Return the velocity of the root in the picture, [M, 2], in statures per second."""
        moved = (self.roots[:, -1] - lag.at(self.roots)) / lag.seconds[:, None]
        return np.where(lag.usable[:, None], moved, np.float32(0))

    def distance(self, a: NDArray[np.int64], b: NDArray[np.int64], lag: Lag) -> tuple[Floats, Floats]:
        """Return the distance between points `a` and `b` [k], in statures [M, k], and its growth per second [M, k]."""
        distance = np.sqrt(((self.points_now[:, a] - self.points_now[:, b]) ** 2).sum(-1))
        points_before, present_before = lag.at(self.points), lag.at(self.present)
        before = np.sqrt(((points_before[:, a] - points_before[:, b]) ** 2).sum(-1))
        both = self.present_now[:, a] & self.present_now[:, b]
        known = both & present_before[:, a] & present_before[:, b] & lag.usable[:, None]
        return (
            np.where(both, distance, np.float32(0)),
            np.where(known, (distance - before) / lag.seconds[:, None], np.float32(0)),
        )

    def within(self, span: float) -> Flags:
        """Return which steps are within the last `span` seconds, bool [M, H]."""
        return self.ages <= span + _TIME_TOLERANCE

    def _lag(self, seconds: float) -> Lag:
        usable = (self.ages >= _LAG_RANGE[0]) & (self.ages <= seconds * _LAG_RANGE[1])
        with np.errstate(invalid="ignore"):
            difference = np.where(usable, np.abs(self.ages - np.float32(seconds)), np.float32(np.inf))
        index, found = difference.argmin(1), np.asarray(usable.any(1))
        elapsed = np.where(found, self.ages[np.arange(len(index)), index], np.float32(1)).astype(np.float32)
        return Lag(index, found, elapsed)


def step_ages(times_us: NDArray[np.int64], valid: Flags) -> Floats:
    """Return seconds from each step to the window's last, [M, H]; infinite where there is no step or it is too old."""
    ages = ((times_us[:, -1:] - times_us) * 1e-6).astype(np.float32)
    return np.where(valid & (ages <= HISTORY_SECONDS + _TIME_TOLERANCE), ages, np.float32(np.inf))


def _planar(points: Floats) -> Floats:
    """Return the points [M, H, 25, 2] with all x before all y in memory."""
    return np.ascontiguousarray(points.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0)


def _pairs(x: NDArray, y: NDArray) -> NDArray:
    """Stack two [M, H] to [M, H, 2] with all x before all y in memory."""
    return np.array([x, y]).transpose(1, 2, 0)


def _window_stature(stature: Floats, inside: Flags) -> Floats:
    """Return the window's stature in pixels, an upper quantile over its steps: [M, H] → [M]."""
    ordered = np.sort(np.where(inside, stature, np.float32(-1)), axis=1)
    count = inside.sum(1)
    rank = ordered.shape[1] - count + np.floor(_UPPER_SHARE * (count - 1)).astype(np.int64)
    return np.maximum(ordered[np.arange(len(ordered)), rank], 1)


def _roots(points: Floats, present: Flags, boxes: Floats) -> tuple[Floats, Flags]:
    """Return the body's root [M, H, 2], and whether it is the pelvis [M, H].

    Without a pelvis it is a point below the neck; without a neck, the centre of the box.
    """
    height = boxes[..., 3] - boxes[..., 1]
    centre = _pairs((boxes[..., 0] + boxes[..., 2]) * 0.5, boxes[..., 1] + height * 0.55)
    below_neck = points[..., NECK, :] + _pairs(np.zeros_like(height), height * np.float32(0.3))
    substitute = np.where(present[..., NECK, None], below_neck, centre)
    is_pelvis = present[..., PELVIS]
    return np.where(is_pelvis[..., None], points[..., PELVIS, :], substitute).astype(np.float32), is_pelvis
