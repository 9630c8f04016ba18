"""People in 2-D keypoints: their clips in statures, what their joints say of states, and their views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.sources.motion_clips import MotionClips
from training.synthetic.sequences.detector_errors import PAIR_WIDTH, slow_noise

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


IN_PLANE = 0.9
"""A bone that looks at least this long, as a share of its usual length, lies in the picture's plane to within 26°."""
_CLEARLY = 0.12
"""Height difference in statures that a steep view of an arm that reaches ahead does not make."""
_UPRIGHT = 0.8
"""Cosine between an upright trunk and the vertical, at least."""
#         limb, first joint, usual lengths, angles in degrees below and above which it is surely bent or surely not
_LIMBS = (("arm", 5, (0.172, 0.150), 85.0, 125.0), ("leg", 11, (0.245, 0.240), 105.0, 150.0))
_SIDES = ("left", "right")


def visible_states(vocabulary: Vocabulary, points: Array, known: Flags, steps: Flags) -> tuple[Flags, Flags]:
    """Return part states and whether each is known, both bool [N, T, parts, states].

    `points` [N, T, 17, 2] are joints in statures, y down; `known` [N, T, 17]: visible ones; `steps` [N, T]: the person
    may be walking or running, whose legs are not `bend` however they look. Limbs are `bend` or not if both bones lie in
    the picture's plane; a hand is `raise` or not if it is clearly above or below the shoulder of an upright person.
    """
    shape = (*points.shape[:2], len(vocabulary.parts), len(vocabulary.states))
    states, decided = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)

    def decide(part: str, state: str, true: Flags, false: Flags) -> None:
        if state in vocabulary.states_of.get(part, ()):
            place = (vocabulary.part_index(part), vocabulary.state_index(state))
            states[:, :, *place], decided[:, :, *place] = true, true | false

    up = points[:, :, 5:7].mean(2) - points[:, :, 11:13].mean(2)
    upright = -up[..., 1] > _UPRIGHT * np.maximum(np.linalg.norm(up, axis=-1), 0.2)
    upright &= known[:, :, [5, 6, 11, 12]].all(-1)
    for side, name in enumerate(_SIDES):
        for limb, start, usual, bent, straight in _LIMBS:
            joints = [start + side, start + 2 + side, start + 4 + side]
            first, second = (points[:, :, joints[place]] - points[:, :, joints[1]] for place in (0, 2))
            lengths = np.stack([np.linalg.norm(bone, axis=-1) for bone in (first, second)], -1)
            flat = (lengths > IN_PLANE * np.array(usual)).all(-1) & known[:, :, joints].all(-1)
            if limb == "leg":
                flat &= ~steps
            cosine = (first * second).sum(-1) / np.maximum(lengths.prod(-1), 1e-9)
            angle = np.degrees(np.arccos(cosine.clip(-1, 1)))
            decide(f"{name}_{limb}", "bend", flat & (angle < bent), flat & (angle > straight))
        rise = points[:, :, 5 + side, 1] - points[:, :, 9 + side, 1]
        clear = upright & known[:, :, 9 + side]
        decide(f"{name}_hand", "raise", clear & (rise > _CLEARLY), clear & (rise < -_CLEARLY))
    return states, decided


#                       ahead, up, to the left
_FACE = np.array([(0.034, -0.015, 0.0), (0.018, 0.011, 0.021), (0.018, 0.011, -0.021),
                  (-0.034, -0.002, 0.047), (-0.034, -0.002, -0.047)])  # fmt: skip
"""Nose, eyes and ears relative to the head's centre, in statures, as of `training.synthetic.motion.skeleton`."""
_HEAD_TURN = 0.35
"""Usual angle between head and chest, in radians."""
_FOREARM = 0.15
_METRES = 1.7
_DISTANCE = 10.0


def with_faces(rng: np.random.Generator, points: Array, facing: Array, side: Array, gap: Array) -> Array:
    """Return joints [N, T, 17, 2] in statures with unset eyes and ears (NaN) placed on the head.

    If both ears and eyes are unset, the nose marks the head's centre and moves, too. The head is turned like the chest
    (`facing`, `side` [N, T]), give or take. `gap` [N, T] are the seconds before each step.
    """
    neck = points[:, :, 5:7].mean(2)
    trunk = neck - points[:, :, 11:13].mean(2)
    up = _unit(_unit(trunk) + 1.5 * _unit(points[:, :, 0] - neck))
    right = np.stack([-up[..., 1], up[..., 0]], -1)
    yaw = np.arctan2(side, facing) + _HEAD_TURN * slow_noise(rng, gap, 1.0, 1)[..., 0]
    nod = 0.008 * slow_noise(rng, gap, 1.0, 1)
    ahead, above, left = _FACE.T
    along = np.cos(yaw)[..., None] * left + np.sin(yaw)[..., None] * ahead
    above = above + nod * np.array([1.0, 0.7, 0.7, 0.0, 0.0])
    offset = along[..., None] * right[:, :, None] + above[..., None] * up[:, :, None]
    unset: NDArray[np.bool_] = np.isnan(points[:, :, :5, 0])
    centre = points[:, :, :1].copy()
    alone: NDArray[np.bool_] = np.all(unset[:, :, 1:], axis=-1)
    # A nose that was detected is a nose; the centre is behind it.
    centre = np.where(alone[..., None, None], centre, centre - offset[:, :, :1])
    unset[:, :, 0] |= alone
    out = points.copy()
    out[:, :, :5] = np.where(unset[..., None], centre + offset, points[:, :, :5])
    return out


def depths(points: Array, facing: Array, side: Array) -> Array:
    """Return joints' distances from the camera [N, T, 17] in metres, from joints [N, T, 17, 2] in statures.

    The side that is turned away is farther. A forearm that looks short reaches ahead: towards the camera from the
    front, away from it from behind.
    """
    away = np.zeros(points.shape[:3])
    away[..., 1::2] = PAIR_WIDTH[1::2] * side[..., None]
    away[..., 2::2] = -PAIR_WIDTH[2::2] * side[..., None]
    forearm = np.linalg.norm(points[:, :, 9:11] - points[:, :, 7:9], axis=-1)
    away[:, :, 9:11] -= np.sqrt(np.maximum(_FOREARM**2 - forearm**2, 0)) * facing[..., None]
    # In profile the trunk hides the far hand.
    away[:, :, 9] += 0.03 * (side > 0.7)
    away[:, :, 10] += 0.03 * (side < -0.7)
    return _DISTANCE + _METRES * away


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
