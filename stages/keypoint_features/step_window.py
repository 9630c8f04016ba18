"""Step windows: M people's last two seconds, brought to the body's own frame and scale, with ways to look back in them.

Made from the steps, read by the part and context geometry, then gone. Float32 throughout: `points` are relative to the
root (the pelvis) and in statures. In memory all x come before all y: arithmetic on pairs of two numbers, one pair after
another, takes several times as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.keypoint_features.skeleton import NECK, PELVIS, Flags, Floats

HISTORY_SECONDS = 2.0
"""How far back geometry looks: still or moving is decided over about 2 s."""

HISTORY_STEPS = 26
"""Steps kept for each person: 2 s at 12.5 steps a second, both ends included."""

SHORT_LAG, LONG_LAG, SLOW_LAG = 0.2, 0.5, 1.0
"""Seconds over which velocities are taken: quick movements, steady ones that joint noise would hide, the root's way."""

SPANS = (1.0, HISTORY_SECONDS)
"""Seconds over which ranges of movement are taken."""

_LAG_RANGE = (0.06, 2.5)
"""A lag's reference step is at least this many seconds and at most this many lags back."""

_UPPER_SHARE = 0.8
"""The window's stature is this quantile of its steps' statures: a running maximum that one bad step can't move."""

_TIME_TOLERANCE = 1e-3
"""Seconds: times are rounded to milliseconds by some containers."""


@dataclass(frozen=True, slots=True, eq=False)
class Lag:
    """The step of each window that lies a lag back: `index` [M], whether there is one `usable` [M], `seconds` [M]."""

    index: NDArray[np.int64]
    usable: Flags
    seconds: Floats

    def at(self, values: NDArray) -> NDArray:
        """`values` [M, H, …] at that step: [M, …]."""
        return values[np.arange(len(values)), self.index]


class StepWindow:
    """M windows of H steps; the last step of each is the one that is described."""

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
        self.scale = _robust_scale(stature, self.inside)
        points = _planar(points)
        root, self.root_sure = _roots(points, present, boxes)
        scaled = (np.float32(1) / self.scale)[:, None, None].astype(np.float32)
        relative = ((points - root[:, :, None, :]) * scaled[..., None]).astype(np.float32)
        self.points = np.where(present[..., None], relative, np.float32(0))
        """[M, H, 25, 2], zeros where missing."""
        self.present = present & self.inside[:, :, None]
        """bool [M, H, 25]"""
        self.roots = (root * scaled).astype(np.float32)
        """[M, H, 2]: the root's place in the picture, in statures."""
        self.now = self.points[:, -1]
        self.sure = self.present[:, -1]
        self.scores_now = scores[:, -1]
        self.short, self.long, self.slow = (self._lag(seconds) for seconds in (SHORT_LAG, LONG_LAG, SLOW_LAG))

    def velocity(self, lag: Lag) -> Floats:
        """Statures a second of every point relative to the root, [M, 25, 2]; zero where either end is missing."""
        both = self.sure & lag.at(self.present) & lag.usable[:, None]
        moved = (self.now - lag.at(self.points)) / lag.seconds[:, None, None]
        return np.where(both[..., None], moved, np.float32(0))

    def root_velocity(self, lag: Lag) -> Floats:
        """Statures a second of the root in the picture, [M, 2]."""
        moved = (self.roots[:, -1] - lag.at(self.roots)) / lag.seconds[:, None]
        return np.where(lag.usable[:, None], moved, np.float32(0))

    def distance(self, a: NDArray[np.int64], b: NDArray[np.int64], lag: Lag) -> tuple[Floats, Floats]:
        """Between points `a` and `b` [k]: in statures [M, k], and how fast it grows, statures a second [M, k]."""
        apart = np.sqrt(((self.now[:, a] - self.now[:, b]) ** 2).sum(-1))
        then, seen = lag.at(self.points), lag.at(self.present)
        was = np.sqrt(((then[:, a] - then[:, b]) ** 2).sum(-1))
        sure = self.sure[:, a] & self.sure[:, b]
        known = sure & seen[:, a] & seen[:, b] & lag.usable[:, None]
        return (
            np.where(sure, apart, np.float32(0)),
            np.where(known, (apart - was) / lag.seconds[:, None], np.float32(0)),
        )

    def within(self, span: float) -> Flags:
        """bool [M, H]: steps of the last `span` seconds."""
        return self.ages <= span + _TIME_TOLERANCE

    def _lag(self, seconds: float) -> Lag:
        usable = (self.ages >= _LAG_RANGE[0]) & (self.ages <= seconds * _LAG_RANGE[1])
        with np.errstate(invalid="ignore"):
            off = np.where(usable, np.abs(self.ages - np.float32(seconds)), np.float32(np.inf))
        index, some = off.argmin(1), np.asarray(usable.any(1))
        elapsed = np.where(some, self.ages[np.arange(len(index)), index], np.float32(1)).astype(np.float32)
        return Lag(index, some, elapsed)


def step_ages(times_us: NDArray[np.int64], valid: Flags) -> Floats:
    """Seconds from each step to the window's last, [M, H]; infinite where there is no step or it is too old."""
    ages = ((times_us[:, -1:] - times_us) * 1e-6).astype(np.float32)
    return np.where(valid & (ages <= HISTORY_SECONDS + _TIME_TOLERANCE), ages, np.float32(np.inf))


def _planar(points: Floats) -> Floats:
    """The same points [M, H, 25, 2], all x before all y in memory."""
    return np.ascontiguousarray(points.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0)


def _pairs(x: NDArray, y: NDArray) -> NDArray:
    """[M, H] and [M, H] → [M, H, 2], all x before all y in memory."""
    return np.array([x, y]).transpose(1, 2, 0)


def _robust_scale(stature: Floats, inside: Flags) -> Floats:
    """[M, H] → [M], pixels: the upper quantile of the statures of the window's steps."""
    ordered = np.sort(np.where(inside, stature, np.float32(-1)), axis=1)
    count = inside.sum(1)
    rank = ordered.shape[1] - count + np.floor(_UPPER_SHARE * (count - 1)).astype(np.int64)
    return np.maximum(ordered[np.arange(len(ordered)), rank], 1)


def _roots(points: Floats, present: Flags, boxes: Floats) -> tuple[Floats, Flags]:
    """The body's origin [M, H, 2] and whether it is the pelvis: else under the neck, else the box's centre."""
    height = boxes[..., 3] - boxes[..., 1]
    centre = _pairs((boxes[..., 0] + boxes[..., 2]) * 0.5, boxes[..., 1] + height * 0.55)
    below_neck = points[..., NECK, :] + _pairs(np.zeros_like(height), height * np.float32(0.3))
    stand_in = np.where(present[..., NECK, None], below_neck, centre)
    sure = present[..., PELVIS]
    return np.where(sure[..., None], points[..., PELVIS, :], stand_in).astype(np.float32), sure
