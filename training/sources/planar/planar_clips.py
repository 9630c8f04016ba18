"""2-D clips in one measure: joints in statures of the person, hidden ones guessed, and how the person is turned.

Sources differ in their unit, in what they leave out, and in how near people are. A person's height is measured along
trunk and limbs, because people who lie or do push-ups are not short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from training.sources.motion_clips import MotionClips

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_SCORE = 0.5
"""Joints with a lower score are hidden: 0 in annotations, a low visibility in detections."""
UNKNOWN_ASPECT = 4 / 3
"""Width to height of pictures of unknown size."""
_UNSET = 0.01
"""Joints at the picture's first corner, to within this share of its longer side, that score 0 are unset: Penn Action's
unset joints are at (1, 1)."""

#        child, parent, usual length in statures
_BONES = (
    (7, 5, 0.172), (8, 6, 0.172), (9, 7, 0.150), (10, 8, 0.150),
    (13, 11, 0.245), (14, 12, 0.245), (15, 13, 0.240), (16, 14, 0.240),
)  # fmt: skip
_TRUNK, _HEAD = 0.29, 0.12
_SHOULDER_WIDTH, _HIP_WIDTH = 0.2, 0.125
_SHORTEST_SHIN = 0.08
"""Ankles nearer to the knee, in statures, are hidden: JHMDB moves ankles outside the picture to its edge."""
_SPAN = 45
"""Frames over which the height is estimated, about 1.5 s: limbs are foreshortened in turns."""
_LIKELY = 80
"""Percentile of the heights over these frames that is the height, because perspective only shortens limbs."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanarClips:
    """The clips of one source, with the frames of `clips`.

    `points` [F, 17, 2] in statures (the clip's median height), y down, guessed where unset; eyes and ears are NaN where
    unset. `known` bool [F, 17]: the joint is visible. `height` [F]: the person's height relative to the clip's median.
    `facing` and `side` [F]: as in `View`. `edges` [C, 4]: the picture's x1, y1, x2, y2 in statures, infinite if
    unknown.
    """

    clips: MotionClips
    points: NDArray[np.float32]
    known: Flags
    height: NDArray[np.float32]
    facing: NDArray[np.float32]
    side: NDArray[np.float32]
    edges: Array


def planar_clips(clips: MotionClips) -> PlanarClips:
    """Return clips of 17 COCO keypoints in statures."""
    count, frames = len(clips), len(clips.points)
    points = np.array(clips.points[..., :2], np.float64)
    score = np.nan_to_num(np.asarray(clips.points[..., 2], np.float64))
    size = np.where(clips.size > 0, clips.size, np.nan).astype(np.float64)
    if clips.unit.startswith("image"):
        aspect = np.nan_to_num(size[:, 0] / size[:, 1], nan=UNKNOWN_ASPECT)
        size = np.stack([aspect, np.ones(count)], -1)
        points[..., 0] *= np.repeat(aspect, np.diff(clips.start))[:, None]
    corner = np.repeat(np.nan_to_num(_UNSET * size.max(-1), nan=-np.inf), np.diff(clips.start))
    points[(score <= 0) & (np.abs(points).max(-1) < corner[:, None])] = np.nan
    known = np.isfinite(points[..., 0]) & (score >= LEAST_SCORE)
    height = np.ones(frames)
    edges = np.tile([-np.inf, -np.inf, np.inf, np.inf], (count, 1))
    for clip in range(count):
        rows = clips.frames(clip)
        tall = person_height(points[rows])
        middle = float(np.median(tall))
        points[rows], height[rows] = _completed(points[rows], middle) / middle, tall / middle
        if np.isfinite(size[clip]).all():
            edges[clip] = np.array([0, 0, *size[clip]]) / middle
    for ankle, knee in ((15, 13), (16, 14)):
        short = np.linalg.norm(points[:, ankle] - points[:, knee], axis=-1) < _SHORTEST_SHIN * height
        known[:, ankle] &= ~short
    facing, side = turn(points / height[:, None, None], clips.start)
    return PlanarClips(
        clips=clips,
        points=points.astype(np.float32),
        known=known,
        height=height.astype(np.float32),
        facing=facing.astype(np.float32),
        side=side.astype(np.float32),
        edges=edges,
    )


def person_height(points: Array) -> Array:
    """Return the standing height [T] of the person of a clip with joints [T, 17, 2], in their unit.

    Each frame gives the third largest of the heights that trunk and limbs suggest, so that one joint at a wrong place
    does not count.
    """
    lengths = [np.linalg.norm(points[:, child] - points[:, parent], axis=-1) / share for child, parent, share in _BONES]
    lengths.append(np.linalg.norm(points[:, 5:7].mean(1) - points[:, 11:13].mean(1), axis=-1) / _TRUNK)
    ordered = np.sort(np.stack(lengths, -1), axis=-1)  # NaN last
    found = np.isfinite(ordered).sum(-1)
    place = np.maximum(found - 3, 0)
    each = ordered[np.arange(len(ordered)), place]
    seen = np.flatnonzero((found > 0) & (each > 0))
    if np.isnan(points).all():
        return np.ones(len(points))
    if len(seen) == 0:  # no bone has both ends: the extent of what there is
        low, high = np.nanmin(points, axis=(0, 1)), np.nanmax(points, axis=(0, 1))
        return np.full(len(points), max(float((high - low).max()), 1e-6))
    each = np.interp(np.arange(len(each)), seen, each[seen])
    span = min(_SPAN, len(each))
    likely = np.percentile(_around(each, span), _LIKELY, axis=-1)
    return _around(likely, span).mean(-1)


def turn(points: Array, start: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return how people are turned, from joints [F, 17, 2] in statures: `facing` and `side` [F], as in `View`.

    The chest faces the camera by the signed area that shoulders and trunk span. The side that is nearer follows from
    where knees, elbows and head point.
    """
    up = points[:, 5:7].mean(1) - points[:, 11:13].mean(1)
    facing = np.zeros(len(points))
    for left, right, width, weight in ((5, 6, _SHOULDER_WIDTH, 0.65), (11, 12, _HIP_WIDTH, 0.35)):
        across = points[:, left] - points[:, right]
        area = across[:, 0] * up[:, 1] - across[:, 1] * up[:, 0]
        facing -= weight * (area / (width * _TRUNK)).clip(-1, 1)
    right_of = np.stack([-up[:, 1], up[:, 0]], -1)
    right_of /= np.maximum(np.linalg.norm(right_of, axis=-1, keepdims=True), 1e-6)
    ahead = 0.5 * (points[:, 0] - points[:, 5:7].mean(1))
    for first in (11, 12):
        ahead = ahead + 1.5 * (points[:, first + 2] - 0.5 * (points[:, first] + points[:, first + 4]))
    for first in (5, 6):
        reach = points[:, first + 4] - points[:, first]
        # The elbow points back while the hand is low; with a barbell on the shoulders it points ahead.
        low = (reach * up).sum(-1, keepdims=True) < -0.1 * _TRUNK
        ahead = ahead - low * (points[:, first + 2] - points[:, first] - 0.5 * reach)
    ahead = (ahead * right_of).sum(-1)
    long = (np.linalg.norm(up, axis=-1) / _TRUNK).clip(0, 1)
    for begin, end in zip(start[:-1].tolist(), start[1:].tolist(), strict=True):
        rows = slice(begin, end)
        facing[rows] = _around(facing[rows], min(7, end - begin)).mean(-1)
        ahead[rows] = _around(ahead[rows], min(15, end - begin)).mean(-1)
    side = np.tanh(ahead / 0.04) * np.sqrt(1 - facing**2) * long
    return facing, side


def _completed(points: Array, tall: float) -> Array:
    """Return a clip's joints [T, 17, 2] with guesses for unset nose, trunk and limbs.

    A joint keeps the offset from its neighbour that it has before and after; one that is never set is at its usual
    place: limbs hang along the trunk.
    """
    unset = np.isnan(points[..., 0])
    if not unset[:, [0, *range(5, 17)]].any():
        return points
    out = points.copy()
    amount = (~unset).sum(1)
    centre = np.nansum(points, axis=1) / np.maximum(amount, 1)[:, None]
    seen, frames = np.flatnonzero(amount), np.arange(len(points))
    if len(seen):
        centre = np.stack([np.interp(frames, seen, centre[seen, axis]) for axis in (0, 1)], -1)
    out[:, 0] = _guess(points[:, 0], centre, np.array([0.0, -0.3 * tall]))
    _guess_pair(out, points, 5, out[:, 0] + np.array([0.0, _HEAD * tall]))
    _guess_pair(out, points, 11, out[:, 5:7].mean(1) + np.array([0.0, _TRUNK * tall]))
    down = out[:, 11:13].mean(1) - out[:, 5:7].mean(1)
    down /= np.maximum(np.linalg.norm(down, axis=-1, keepdims=True), 1e-6 * tall)
    for child, parent, share in _BONES:
        out[:, child] = _guess(points[:, child], out[:, parent] + down * share * tall)
    return out


def _guess_pair(out: Array, points: Array, left: int, middle: Array) -> None:
    """Set a pair of joints, in place, each beside the other or, where both are unset, at `middle` [T, 2]."""
    for own, other in ((left, left + 1), (left + 1, left)):
        beside = np.where(np.isnan(points[:, other]), middle, points[:, other])
        out[:, own] = _guess(points[:, own], beside)


def _guess(own: Array, place: Array, usual: Array | None = None) -> Array:
    """Return positions [T, 2] with unset ones at their usual offset from `place` [T, 2]."""
    unset = np.isnan(own[:, 0])
    if not unset.any():
        return own
    offset = own - place
    found = np.flatnonzero(np.isfinite(offset[:, 0]))
    if len(found) == 0:
        return place + (0.0 if usual is None else usual)
    frames = np.arange(len(own))
    between = np.stack([np.interp(frames, found, offset[found, axis]) for axis in (0, 1)], -1)
    return np.where(unset[:, None], place + between, own)


def _around(values: Array, span: int) -> Array:
    """Return the `span` values around each, [T] → [T, span]; the first and last value continue."""
    before = span // 2
    return sliding_window_view(np.pad(values, (before, span - 1 - before), mode="edge"), span)
