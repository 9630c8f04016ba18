"""From recordings in a file's unit, axes and rate to clips of a data folder: metres, z up, 30 Hz, on the floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from training.sources.formats.body import JOINT, LEGS, FormatError, Points, Recording, exchanged

FPS = 30.0
Unit = Literal["auto", "m", "cm", "mm", "inch"]
UNITS: dict[Unit, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
Up = Literal["auto", "y", "z"]
Sides = Literal["given", "by-toes"]

_CHAIN = (("l_ankle", "l_knee"), ("l_knee", "l_hip"), ("pelvis", "neck"), ("neck", "head"))
CHAIN_SHARE = 0.9
"""Ankle to knee, hip, and from the pelvis over the neck to the head: share of stature, by Drillis and Contini."""
_LEAST_CHAIN, _LARGEST_CHAIN = 0.7, 2.2
"""Metres, for children and giants among the avatars."""
MOST_S = 12 * 3600  # of a recording: 311 MB at 30 Hz
_LEAST_FRAMES = 2
_FLOOR_PERCENTILE = 5.0
_SAME_S = 1e-6
"""Times that differ by less are the same: they are sums of rounded intervals."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a source's files are converted.

    `unit` and `up` are guessed over the whole source if `auto`. `stature`: metres to which each clip's body is scaled,
    if given. `sides`: take left and right as given, or exchange them where the toes point backwards. `skip`: leading
    frames to leave out, such as a T-pose. `longest_gap`: seconds over which missing joints are interpolated. `tilted`:
    level the floor, for a camera that looks up or down.
    """

    unit: Unit = "auto"
    up: Up = "auto"
    stature: float | None = None
    sides: Sides = "given"
    skip: int = 0
    longest_gap: float = 0.5
    tilted: bool = False


def converted(recordings: Sequence[Recording], options: Options) -> tuple[list[Recording], list[str]]:
    """Return a source's recordings as a data folder holds them, and notes on what was guessed or exchanged.

    Raises `FormatError`.
    """
    notes: list[str] = []
    found = [_without_first(one, options.skip) for one in recordings]
    up = options.up
    if up == "auto":
        up = _guessed_up(found)
        notes.append(f"up axis: {up}, guessed from where the heads are")
    if up == "y":
        found = [replace(one, joints=y_up_to_z_up(one.joints)) for one in found]
    if options.stature is not None:
        found = [_scaled(one, options.stature) for one in found]
    else:
        unit = options.unit
        if unit == "auto":
            unit, height = _guessed_unit(found)
            notes.append(f"unit: {unit}, guessed from bodies of about {height:.2f} m")
        found = [replace(one, joints=one.joints * np.float32(UNITS[unit])) for one in found]
    found = [resampled(one, options.longest_gap) for one in found]
    if options.sides == "by-toes":
        found, words = _sides_by_toes(found)
        notes += words
    if options.tilted:
        found = [replace(one, joints=levelled(one.joints)) for one in found]
    return [replace(one, joints=placed(one.joints)) for one in found], notes


def y_up_to_z_up(joints: Points) -> Points:
    """Turn joints [T, 20, 3] by a quarter about x: y becomes z, z becomes −y."""
    return np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], -1)


def chain_length(joints: Points) -> float:
    """Return the median length of left leg, trunk and head over the frames, in the joints' unit; NaN if unknown."""
    lengths = [np.linalg.norm(joints[:, JOINT[a]] - joints[:, JOINT[b]], axis=-1) for a, b in _CHAIN]
    medians = [float(np.median(one[np.isfinite(one)])) if np.isfinite(one).any() else np.nan for one in lengths]
    return float(sum(medians))


def resampled(recording: Recording, longest_gap: float) -> Recording:
    """Return the recording at 30 Hz from its first to its last time, joints interpolated linearly.

    A joint stays missing between samples more than `longest_gap` s apart. Raises `FormatError` beyond `MOST_S`.
    """
    begin, end = float(recording.times[0]), float(recording.times[-1])
    if end - begin > MOST_S:
        raise FormatError(f"{recording.text}: its times cover {end - begin:.0f} s; up to {MOST_S} s are read")
    times = begin + np.arange(int((end - begin) * FPS + 1e-6) + 1) / FPS
    frames, joints = len(times), recording.joints
    found = np.full((frames, *joints.shape[1:]), np.nan, np.float32)
    known = ~np.isnan(joints[..., 0] + joints[..., 1] + joints[..., 2])
    for joint in range(joints.shape[1]):
        own = recording.times[known[:, joint]]
        if not len(own):
            continue
        after = np.clip(np.searchsorted(own, times - _SAME_S, "left"), 0, len(own) - 1)
        before = np.clip(np.searchsorted(own, times + _SAME_S, "right") - 1, 0, len(own) - 1)
        near = (own[after] - own[before] <= longest_gap) & (times >= own[0] - _SAME_S) & (times <= own[-1] + _SAME_S)
        for axis in range(3):
            values = np.interp(times, own, joints[known[:, joint], joint, axis])
            found[:, joint, axis] = np.where(near, values, np.nan)
    return replace(recording, times=times, joints=found)


def placed(joints: Points) -> Points:
    """Return the joints with the floor at z = 0 and the mean pelvis at x = y = 0.

    The floor is at the 5th percentile of each frame's lowest joint.
    """
    lowest = np.where(np.isfinite(joints[..., 2]), joints[..., 2], np.inf).min(axis=1)
    lowest = lowest[np.isfinite(lowest)]
    pelvis = joints[:, JOINT["pelvis"], :2]
    pelvis = pelvis[np.isfinite(pelvis).all(1)]
    shift = np.zeros(3)
    shift[2] = np.percentile(lowest, _FLOOR_PERCENTILE) if len(lowest) else 0
    shift[:2] = pelvis.astype(np.float64).mean(0) if len(pelvis) else 0
    return (joints - shift).astype(np.float32)


def levelled(joints: Points) -> Points:
    """Undo a camera's tilt: turn about x so that the lower foot stays level while the person moves along y.

    Nothing is turned if the person moves less than a metre, or by more than 25°.
    """
    feet = [JOINT[f"{side}_{part}"] for side in "lr" for part in ("ankle", "toe")]
    z = joints[:, feet, 2]
    lowest = np.where(np.isfinite(z), z, np.inf).argmin(axis=1)
    rows = np.arange(len(joints))
    points = joints[rows, np.array(feet)[lowest]][:, 1:].astype(np.float64)
    points = points[np.isfinite(points).all(1)]
    if len(points) < 10 or np.ptp(points[:, 0]) < 1:
        return joints
    slope = 0.0
    for _ in range(3):  # a raised foot is above the floor: fit again without what lies far above
        slope, level = np.polyfit(points[:, 0], points[:, 1], 1)
        above = points[:, 1] - slope * points[:, 0] - level
        kept = above <= max(float(np.percentile(above, 80)), 0.02)
        if kept.all() or np.ptp(points[kept, 0]) < 1:
            break
        points = points[kept]
    angle = -float(np.arctan(slope))
    if abs(angle) > np.radians(25):
        return joints
    cos, sin = np.cos(angle), np.sin(angle)
    y, z = joints[..., 1], joints[..., 2]
    return np.stack([joints[..., 0], y * cos - z * sin, y * sin + z * cos], -1).astype(np.float32)


def toes_forward(joints: Points) -> tuple[float, float]:
    """Return the share of frames in which the left and the right toe are in front of the ankle, NaN if unknown.

    The front follows from the hips: left is at cross(up, front).
    """
    across = joints[:, JOINT["l_hip"], :2] - joints[:, JOINT["r_hip"], :2]
    front = np.stack([across[:, 1], -across[:, 0]], -1)
    shares: list[float] = []
    for side in "lr":
        foot = joints[:, JOINT[f"{side}_toe"], :2] - joints[:, JOINT[f"{side}_ankle"], :2]
        ahead = (foot * front).sum(-1)
        ahead = ahead[np.isfinite(ahead)]
        shares.append(float((ahead > 0).mean()) if len(ahead) else np.nan)
    return shares[0], shares[1]


def _without_first(recording: Recording, skip: int) -> Recording:
    if len(recording.times) - skip < _LEAST_FRAMES:
        left_out = f" after {skip} are left out" if skip else ""
        raise FormatError(
            f"{recording.text}: has {len(recording.times)} frames{left_out}; a clip needs {_LEAST_FRAMES}"
        )
    return replace(recording, times=recording.times[skip:], joints=recording.joints[skip:])


def _guessed_up(recordings: Sequence[Recording]) -> Literal["y", "z"]:
    total = np.zeros(3)
    for one in recordings:
        feet = (one.joints[:, JOINT["l_ankle"]] + one.joints[:, JOINT["r_ankle"]]) / 2
        upright = one.joints[:, JOINT["neck"]] - feet
        upright = upright[np.isfinite(upright).all(1)].astype(np.float64)
        length = np.linalg.norm(upright, axis=1, keepdims=True)
        total += (upright / np.where(length > 0, length, 1)).sum(0)
    axis = int(np.abs(total).argmax())
    if axis == 0 or total[axis] <= 0:
        raise FormatError("which axis points up can't be guessed from the heads; give it with --up y or --up z")
    return "y" if axis == 1 else "z"


def _guessed_unit(recordings: Sequence[Recording]) -> tuple[Unit, float]:
    """Return the unit and the height of the bodies in metres."""
    lengths = np.array([chain_length(one.joints) for one in recordings])
    lengths = lengths[np.isfinite(lengths) & (lengths > 0)]
    if not len(lengths):
        raise FormatError("the unit can't be guessed, because legs, trunk or head are always missing; give --unit")
    length = float(np.median(lengths))
    unit = min(UNITS, key=lambda name: abs(np.log(length * UNITS[name] / 1.5)))
    if not _LEAST_CHAIN <= length * UNITS[unit] <= _LARGEST_CHAIN:
        raise FormatError(
            f"the unit can't be guessed: from the ankle to the head a body measures {length:.4g}; give --unit or "
            "--stature"
        )
    return unit, length * UNITS[unit] / CHAIN_SHARE


def _scaled(recording: Recording, stature: float) -> Recording:
    length = chain_length(recording.joints)
    if not np.isfinite(length) or length <= 0:
        raise FormatError(f"{recording.text}: can't be scaled, because legs, trunk or head are always missing")
    return replace(recording, joints=recording.joints * np.float32(CHAIN_SHARE * stature / length))


def _sides_by_toes(recordings: Sequence[Recording]) -> tuple[list[Recording], list[str]]:
    """Exchange left and right of all clips if most toes point backwards, and of legs that disagree with the arms."""
    notes: list[str] = []
    shares = np.array([np.mean(toes_forward(one.joints)) for one in recordings])
    weights = np.array([len(one.times) for one in recordings], np.float64)
    known = np.isfinite(shares)
    if known.any() and np.average(shares[known], weights=weights[known]) < 0.5:
        recordings = [replace(one, joints=exchanged(one.joints)) for one in recordings]
        notes.append("left and right were exchanged in all clips, because toes pointed backwards")
    found: list[Recording] = []
    legs = 0
    for one in recordings:
        hips = one.joints[:, JOINT["l_hip"]] - one.joints[:, JOINT["r_hip"]]
        shoulders = one.joints[:, JOINT["l_shoulder"]] - one.joints[:, JOINT["r_shoulder"]]
        along = (hips * shoulders).sum(-1)
        along = along[np.isfinite(along)]
        against = len(along) > 0 and float(np.median(along)) < 0
        legs += against
        found.append(replace(one, joints=exchanged(one.joints, LEGS)) if against else one)
    if legs:
        notes.append(f"left and right legs were exchanged in {legs} clips, because hips and shoulders disagreed")
    return found, notes
