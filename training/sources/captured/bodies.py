"""From captured joints to the 17 COCO keypoints of people with random proportions.

Captures place joints differently: a Kinect's hips lie in the waist, an avatar's shoulders near its neck, and `head` is
the base of the skull, the middle of the head or of the eyes. A recogniser would learn such marks instead of the actions
for which only one source has clips. Every limb is therefore scaled to the proportions of generated people
(`training.synthetic.motion.skeleton`), keeping its direction at each step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sources.motion_clips import MIRRORED_KEYPOINTS, MotionClips
from training.sources.terms import DataFolderError
from training.synthetic.motion.skeleton import Builds

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

JOINTS = (
    "head", "neck", "pelvis", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist", "l_hip", "r_hip",
    "l_knee", "r_knee", "l_ankle", "r_ankle",
)  # fmt: skip
"""The joints of captures that are used, in the order of arrays here. From the shoulders on, they are COCO's."""
_HEAD, _NECK, _PELVIS = 0, 1, 2
SHOULDERS, ELBOWS, WRISTS = slice(3, 5), slice(5, 7), slice(7, 9)
_HIPS, _KNEES, _ANKLES = slice(9, 11), slice(11, 13), slice(13, 15)

# Proportions of the average generated person, in statures.
_THIGH, _SHANK, _UPPER_ARM, _FOREARM, _TRUNK, _HALF_SHOULDERS, _HALF_HIPS, _HEAD_SIZE = (
    0.245, 0.246, 0.182, 0.148, 0.290, 0.115, 0.062, 0.13,
)  # fmt: skip
_EARS = np.array([0.110, 0.025])
"""Middle between the ears, from the middle between the shoulders: up along the trunk and forward, in statures."""
_FACE = np.array([(0.52, -0.10, 0.0), (0.40, 0.10, -0.16), (0.40, 0.10, 0.16), (0.0, 0.0, -0.36), (0.0, 0.0, 0.36)])
"""Nose, eyes and ears from the middle between the ears: forward, up, to the right, in head sizes."""
_UPRIGHT = 0.7
"""How much heads keep upright over a leaning trunk. In two optical captures, heads over trunks that lean by 33°, 47°
and 65° lean by 5 to 11°, 19 to 26° and 39 to 48°; the head's place tells little of it."""
_MEASURED_FRAMES = 48
"""Number of a clip's frames from which its limbs are measured."""
_SOURCE_FRAMES = 3000


@dataclass(frozen=True, slots=True)
class Measures:
    """Lengths of a clip's limbs in metres: medians over the clip.

    `slide`: how far the hips are above the place that gives an average person's trunk; `thigh` is from that place.
    """

    stature: float
    slide: float
    thigh: float
    shank: float
    upper_arm: float
    forearm: float
    half_shoulders: float
    half_hips: float


def check_joints(clips: MotionClips) -> None:
    """Raise `DataFolderError` if captures lack a joint that is used."""
    if lacking := [name for name in JOINTS if name not in clips.names]:
        raise DataFolderError(
            f"{clips.source}: captures need the joints {', '.join(JOINTS)}; missing: {', '.join(lacking)}. Import the "
            "source again"
        )


class Bodies:
    """The joints of one source's clips, and their measures, which are computed when a clip is first drawn."""

    def __init__(self, clips: MotionClips) -> None:
        """Raises `DataFolderError` as `check_joints`."""
        check_joints(clips)
        index = {name: number for number, name in enumerate(clips.names)}
        self.clips = clips
        self._columns = np.array([index[name] for name in JOINTS])
        self._measures: dict[int, Measures] = {}
        self.ears_from_head = self._ears_from_head()

    def frames(self, clip: int, positions: Array) -> Array:
        """Return the joints [T, 15, 3] at fractional frames `positions` [T] of a clip, with y up; NaN where unknown."""
        frames = self.clips.frames(clip)
        first = np.floor(positions).astype(np.int64)
        second = np.minimum(first + 1, frames.stop - frames.start - 1)
        weight = (positions - first)[:, None, None]
        before, after = (self._at(frames.start + which) for which in (first, second))
        return np.where(weight == 0, before, before + weight * (after - before))

    def measures(self, clip: int) -> Measures:
        """Return the lengths of a clip's limbs."""
        found = self._measures.get(clip)
        if found is None:
            frames = self.clips.frames(clip)
            count = min(_MEASURED_FRAMES, frames.stop - frames.start)
            joints = self._at(np.linspace(frames.start, frames.stop - 1, count).astype(np.int64))
            found = self._measures[clip] = measured(joints)
        return found

    def _at(self, frames: NDArray[np.int64]) -> Array:
        joints = self.clips.points[frames[:, None], self._columns].astype(np.float64)
        return np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], -1)

    def _ears_from_head(self) -> Array:
        """Return the place of the ears' middle from the source's `head`, along trunk and forward, in statures."""
        count = min(_SOURCE_FRAMES, len(self.clips.points))
        joints, _, cut = filled(self._at(np.linspace(0, len(self.clips.points) - 1, count).astype(np.int64)))
        whole = ~cut
        if not whole.any():
            return np.zeros(2)
        joints = joints[whole]
        trunk, ahead, _ = chest_axes(joints)
        head = joints[:, _HEAD] - joints[:, SHOULDERS].mean(1)
        places = np.stack([(head * trunk).sum(-1), (head * ahead).sum(-1)], -1) / measured(joints).stature
        return _EARS - np.median(places, 0)


def measured(joints: Array) -> Measures:
    """Return the median lengths of limbs over frames [K, 15, 3]; an average person's where none is known."""
    joints, missing, cut = filled(joints)
    usable = ~cut

    def median(length: Array, share: float, stature: float, *columns: slice) -> float:
        known = usable & ~np.any([missing[:, column].any(1) for column in columns], axis=0)
        value = float(np.median(length[known])) if known.any() else 0.0
        return value if value > 0.02 else share * stature

    shoulders, hips = joints[:, SHOULDERS], joints[:, _HIPS]
    trunk = median(_length(shoulders.mean(1) - hips.mean(1)), _TRUNK, 1.7, SHOULDERS, _HIPS)
    thigh = median(_length(joints[:, _KNEES] - hips).mean(1), _THIGH, 1.7, _HIPS, _KNEES)
    shank = median(_length(joints[:, _ANKLES] - joints[:, _KNEES]).mean(1), _SHANK, 1.7, _KNEES, _ANKLES)
    stature = (trunk + thigh + shank) / (_TRUNK + _THIGH + _SHANK)
    half_shoulders = median(_length(shoulders[:, 1] - shoulders[:, 0]) / 2, _HALF_SHOULDERS, stature, SHOULDERS)
    half_hips = median(_length(hips[:, 1] - hips[:, 0]) / 2, _HALF_HIPS, stature, _HIPS)
    slide = _TRUNK * stature - trunk
    lowered = _hips(joints, chest_axes(joints)[0], np.array(slide), np.array(_HALF_HIPS * stature / half_hips))
    return Measures(
        stature=stature,
        slide=slide,
        thigh=median(_length(joints[:, _KNEES] - lowered).mean(1), _THIGH, stature, _HIPS, _KNEES),
        shank=shank,
        upper_arm=median(_length(joints[:, ELBOWS] - shoulders).mean(1), _UPPER_ARM, stature, SHOULDERS, ELBOWS),
        forearm=median(_length(joints[:, WRISTS] - joints[:, ELBOWS]).mean(1), _FOREARM, stature, ELBOWS, WRISTS),
        half_shoulders=half_shoulders,
        half_hips=half_hips,
    )


def filled(joints: Array) -> tuple[Array, Flags, Flags]:
    """Return joints [..., 15, 3] without NaN, which joints were unknown [..., 15], and where no body is left [...].

    An unknown joint is placed at the next one towards the trunk. No body is left without hips or shoulders.
    """
    missing: Flags = np.any(np.isnan(joints), axis=-1, keepdims=True)[..., 0]
    out = joints.copy()
    for pair, middle in ((_HIPS, _PELVIS), (SHOULDERS, _NECK)):
        sides = out[..., pair, :]
        centre = out[..., middle, None, :]
        opposite = 2 * np.where(np.isnan(centre), sides[..., ::-1, :], centre) - sides[..., ::-1, :]
        out[..., pair, :] = np.where(np.isnan(sides), opposite, sides)
    cut = np.logical_or(np.isnan(out[..., _HIPS, :]).any((-1, -2)), missing[..., SHOULDERS].all(-1))
    out[cut] = 0.0
    for joint, parent in ((ELBOWS, SHOULDERS), (WRISTS, ELBOWS), (_KNEES, _HIPS), (_ANKLES, _KNEES)):
        out[..., joint, :] = np.where(np.isnan(out[..., joint, :]), out[..., parent, :], out[..., joint, :])
    out[..., _PELVIS, :] = out[..., _HIPS, :].mean(-2)
    middle = out[..., SHOULDERS, :].mean(-2)
    above = middle + 0.4 * (middle - out[..., _PELVIS, :])
    out[..., _NECK, :] = middle
    out[..., _HEAD, :] = np.where(np.isnan(out[..., _HEAD, :]), above, out[..., _HEAD, :])
    return out, missing, cut


def chest_axes(joints: Array) -> tuple[Array, Array, Array]:
    """Return unit vectors [..., 3] of joints [..., 15, 3]: along the trunk upwards, forward, and to the right."""
    trunk = _unit(joints[..., SHOULDERS, :].mean(-2) - joints[..., _HIPS, :].mean(-2))
    across = joints[..., 4, :] - joints[..., 3, :] + 0.5 * (joints[..., 10, :] - joints[..., 9, :])
    right = _unit(across - (across * trunk).sum(-1, keepdims=True) * trunk)
    return trunk, np.cross(trunk, right), right


def keypoints(
    joints: Array, measures: list[Measures], ears_from_head: Array, builds: Builds, head_yaw: Array
) -> tuple[Array, Array]:
    """Return COCO's keypoints [N, T, 17, 3] in metres, y up, and the chest's forward direction [N, T, 3].

    `joints` [N, T, 15, 3] without NaN, with `measures` of their clips and `ears_from_head` [N, 2] of their sources.
    Proportions are those of `builds`; statures stay. `head_yaw` [N, T]: how far heads are turned to the right, radians.
    """
    stature = np.array([own.stature for own in measures])

    def factor(limb: Array, share: float, clip: str | None = None) -> Array:
        """Return a limb's scale [N, 1, 1, 1] from the clip, or from an average person."""
        own = stature * share if clip is None else np.array([getattr(one, clip) for one in measures])
        return (limb / builds.stature * stature / own)[:, None, None, None]

    trunk, ahead, right = chest_axes(joints)
    slide = np.array([own.slide for own in measures])[:, None, None]
    hips = _hips(joints, trunk, slide, factor(builds.hip, _HALF_HIPS, "half_hips"))
    low, old = hips.mean(2), joints[:, :, SHOULDERS].mean(2)
    middle = low + (old - low) * factor(builds.torso, _TRUNK)[:, 0]
    half = (joints[:, :, SHOULDERS] - old[:, :, None]) * factor(builds.shoulder, _HALF_SHOULDERS, "half_shoulders")
    shoulders = middle[:, :, None] + half
    elbows = shoulders + (joints[:, :, ELBOWS] - joints[:, :, SHOULDERS]) * factor(
        builds.upper_arm, _UPPER_ARM, "upper_arm"
    )
    wrists = elbows + (joints[:, :, WRISTS] - joints[:, :, ELBOWS]) * factor(builds.forearm, _FOREARM, "forearm")
    knees = hips + (joints[:, :, _KNEES] - hips) * factor(builds.thigh, _THIGH, "thigh")
    ankles = knees + (joints[:, :, _ANKLES] - joints[:, :, _KNEES]) * factor(builds.shank, _SHANK, "shank")

    head = joints[:, :, _HEAD] - old
    up, forward = (stature[:, None] * ears_from_head).T[..., None, None]
    ears = head + up * trunk + forward * ahead
    face = _face(ears, trunk, ahead, right, stature[:, None, None], head_yaw)
    size = (builds.head / builds.stature * stature)[:, None, None, None]
    out = np.concatenate([(middle + ears)[:, :, None] + face * size, shoulders, elbows, wrists, hips, knees, ankles], 2)
    # Feet stay at their height above the floor, with legs of any length.
    out[..., 1] += (joints[:, :, _ANKLES, 1].min(2) - ankles[..., 1].min(2))[..., None]
    return out, ahead


def mirrored(points: Array, facing: Array, missing: Flags, flip: Flags) -> tuple[Array, Array, Flags]:
    """Return keypoints, facing and missing joints with left and right exchanged where `flip` [N]."""
    turn = np.array([1.0, 1.0, -1.0])
    return (
        np.where(flip[:, None, None, None], points[:, :, MIRRORED_KEYPOINTS] * turn, points),
        np.where(flip[:, None, None], facing * turn, facing),
        np.where(flip[:, None, None], missing[:, :, MIRRORED_KEYPOINTS], missing),
    )


def missing_keypoints(missing: Flags) -> Flags:
    """Return which keypoints [..., 17] are unknown, from the unknown joints [..., 15]; the face is with the head."""
    return np.concatenate([np.repeat(missing[..., :1], 5, -1), missing[..., 3:]], -1)


def _hips(joints: Array, trunk: Array, slide: Array, width: Array) -> Array:
    """Return the hips [..., 2, 3], moved down along the trunk by `slide` and `width` times as far apart."""
    middle = joints[..., _HIPS, :].mean(-2)
    lowered = (middle - trunk * slide)[..., None, :]
    return lowered + (joints[..., _HIPS, :] - middle[..., None, :]) * width


def _face(ears: Array, trunk: Array, ahead: Array, right: Array, stature: Array, yaw: Array) -> Array:
    """Return nose, eyes and ears [N, T, 5, 3] from the ears' middle, in head sizes.

    `ears` [N, T, 3] is from the middle between the shoulders: the head is tilted as it deviates from its usual place.
    """
    up = _unit(ears - _EARS[1] * stature * ahead)
    up = _unit(up + _UPRIGHT * (2 * trunk[..., 1:2]).clip(0, 1) * np.array([0.0, 1.0, 0.0]))
    right = _unit(right - (right * up).sum(-1, keepdims=True) * up)
    front = np.cross(up, right)
    cosine, sine = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    front, right = cosine * front + sine * right, cosine * right - sine * front
    return _FACE @ np.stack([front, up, right], 2)


def _length(vectors: Array) -> Array:
    return np.linalg.norm(vectors, axis=-1)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
