"""Reading motion capture and converting it into limb poses, of which all generated movements are composed.

A limb pose gives wrists and ankles relative to shoulders and hips, in arm and leg lengths, so that movements can be
blended linearly, mirrored, and applied to a person of any build (`training.synthetic.motion.skeleton` computes the
joints). Clips are read once per process by `training.synthetic.activities.MotionLibrary`.

Axes: x forward, y up, z to the person's right. Quaternions are (w, x, y, z). Side 0 is left, side 1 is right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The columns of a limb pose [T, 39].
POSITION = slice(0, 3)
"""Pelvis in the world, in leg lengths."""
ROOT = slice(3, 7)
"""Pelvis rotation in the world."""
CHEST = slice(7, 11)
"""Chest relative to the pelvis."""
NECK = slice(11, 15)
"""Head relative to the chest."""
WRISTS = slice(15, 21)
"""Left, right wrist minus shoulder in the chest's frame, in arm lengths."""
ELBOWS = slice(21, 27)
"""Left, right: direction of the elbow, in the chest's frame."""
ANKLES = slice(27, 33)
"""Left, right ankle minus hip in the pelvis's frame, in leg lengths."""
KNEES = slice(33, 39)
"""Left, right: direction of the knee, in the pelvis's frame."""
WIDTH = 39
QUATERNIONS = (ROOT, CHEST, NECK)

# Limb lengths of the capture's body in metres (the `humanoid` that the clips were retargeted to, at a scale of 0.25).
_LEG = (0.4215, 0.4099)
_ARM = (0.2748, 0.2589)
_ANKLE_HEIGHT = 0.065
"""Height of the capture's ankle on the ground; limb poses have a standing ankle at zero."""


class MotionFormatError(ValueError):
    """A motion file is invalid; the message names the file and the error."""


def quaternion_multiply(a: Array, b: Array) -> Array:
    """Return the Hamilton product of quaternions [..., 4], broadcast."""
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    real = aw * bw - ax * bx - ay * by - az * bz
    out = np.empty((*real.shape, 4))
    out[..., 0] = real
    out[..., 1] = aw * bx + ax * bw + ay * bz - az * by
    out[..., 2] = aw * by - ax * bz + ay * bw + az * bx
    out[..., 3] = aw * bz + ax * by - ay * bx + az * bw
    return out


def rotate(quaternion: Array, vector: Array) -> Array:
    """Rotate vectors [..., 3] by unit quaternions [..., 4], broadcast."""
    # Written out, because for the short arrays of one person `np.cross` would take most of the generator's time, and
    # `np.broadcast_shapes` would take longer than the arithmetic.
    w, x, y, z = quaternion[..., 0], quaternion[..., 1], quaternion[..., 2], quaternion[..., 3]
    vx, vy, vz = vector[..., 0], vector[..., 1], vector[..., 2]
    tx, ty, tz = 2 * (y * vz - z * vy), 2 * (z * vx - x * vz), 2 * (x * vy - y * vx)
    turned = vx + w * tx + y * tz - z * ty
    out = np.empty((*turned.shape, 3))
    out[..., 0] = turned
    out[..., 1] = vy + w * ty + z * tx - x * tz
    out[..., 2] = vz + w * tz + x * ty - y * tx
    return out


def conjugate(quaternion: Array) -> Array:
    """Return the inverse rotation of a unit quaternion [..., 4]."""
    return quaternion * np.array([1.0, -1.0, -1.0, -1.0])


def axis_rotation(axis: int, angle: Array | float) -> Array:
    """Return the quaternion [..., 4] of a turn by `angle` (radians) about axis 0 (x), 1 (y) or 2 (z)."""
    angle = np.asarray(angle, dtype=np.float64)
    out = np.zeros((*angle.shape, 4))
    out[..., 0] = np.cos(angle / 2)
    out[..., 1 + axis] = np.sin(angle / 2)
    return out


def normalise(pose: Array) -> Array:
    """Scale the quaternions of limb poses [..., 39] to unit length after blending, in place."""
    for part in QUATERNIONS:
        pose[..., part] /= np.maximum(np.linalg.norm(pose[..., part], axis=-1, keepdims=True), 1e-9)
    return pose


def blend(first: Array, second: Array, weight: Array) -> Array:
    """Blend limb poses [T, 39] by `weight` [T] of the second; quaternions take the shorter way."""
    second = second.copy()
    for part in QUATERNIONS:
        flip = (first[:, part] * second[:, part]).sum(-1) < 0
        second[flip, part] *= -1
    return normalise(first + weight[:, None] * (second - first))


def mirror(pose: Array) -> Array:
    """Exchange left and right of limb poses [T, 39]."""
    out = pose.copy()
    out[:, 2] *= -1
    for part in QUATERNIONS:
        out[:, part] *= np.array([1.0, -1.0, -1.0, 1.0])
    for part in (WRISTS, ELBOWS, ANKLES, KNEES):
        out[:, part] = (pose[:, part].reshape(-1, 2, 3)[:, ::-1] * np.array([1.0, 1.0, -1.0])).reshape(-1, 6)
    return out


@dataclass(frozen=True, slots=True)
class MotionClip:
    """One captured motion as limb poses [F, 39] at `times` [F] seconds from 0, heading along +x at the start.

    `loops`: whether the last frame joins the first; `travel`: the pelvis's displacement along x and z over one loop.
    """

    name: str
    times: Array
    poses: Array
    loops: bool
    travel: Array

    @property
    def duration(self) -> float:
        return float(self.times[-1])

    def at(self, times: Array) -> Array:
        """Return limb poses [T, 39] at `times` [T] seconds: repeated if the clip loops, otherwise held at its ends."""
        if self.loops:
            loop = np.floor(times / self.duration)
            phase = times - loop * self.duration
        else:
            loop = np.zeros_like(times)
            phase = np.clip(times, 0.0, self.duration)
        index = np.clip(np.searchsorted(self.times, phase, side="right") - 1, 0, len(self.times) - 2)
        weight = (phase - self.times[index]) / (self.times[index + 1] - self.times[index])
        out = blend(self.poses[index], self.poses[index + 1], weight)
        out[:, 0] += loop * self.travel[0]
        out[:, 2] += loop * self.travel[1]
        return out


def read_motion(path: Path) -> MotionClip:
    """Read one `humanoid3d_*.txt` clip. Raises MotionFormatError.

    It is JSON with 44 values per frame: duration, root position and rotation, rotations of chest, neck and both sides'
    hip, knee, ankle, shoulder, elbow.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        frames = np.asarray(data["Frames"], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MotionFormatError(f"{path}: not a motion clip ({error})") from error
    if frames.ndim != 2 or frames.shape[1] != 44 or len(frames) < 2 or not np.isfinite(frames).all():
        raise MotionFormatError(f"{path}: expected at least 2 frames of 44 finite numbers, got shape {frames.shape}")
    times = np.concatenate([[0.0], np.cumsum(frames[:-1, 0])])
    poses = _limb_poses(frames)
    heading = rotate(poses[0, ROOT], np.array([1.0, 0.0, 0.0]))
    turn = axis_rotation(1, np.arctan2(heading[2], heading[0]))
    poses[:, POSITION] = rotate(turn, poses[:, POSITION] - poses[0, POSITION] * np.array([1.0, 0.0, 1.0]))
    poses[:, ROOT] = quaternion_multiply(turn, poses[:, ROOT])
    travel = poses[-1, [0, 2]] - poses[0, [0, 2]]
    return MotionClip(path.stem.removeprefix("humanoid3d_"), times, poses, data.get("Loop") == "wrap", travel)


def read_motions(folder: Path) -> dict[str, MotionClip]:
    """Return all clips of a folder by name ("walk", "dance_a" …). Raises MotionFormatError if there are none."""
    clips = [read_motion(path) for path in sorted(folder.glob("humanoid3d_*.txt"))]
    if not clips:
        raise MotionFormatError(f"{folder}: no humanoid3d_*.txt motion clips; fetch the `motion` asset")
    return {clip.name: clip for clip in clips}


def _limb_poses(frames: Array) -> Array:
    rotations = {
        name: frames[:, start : start + 4] / np.linalg.norm(frames[:, start : start + 4], axis=-1, keepdims=True)
        for name, start in (("root", 4), ("chest", 8), ("neck", 12), ("right_hip", 16), ("right_shoulder", 25))
    }
    rotations["left_hip"] = frames[:, 30:34] / np.linalg.norm(frames[:, 30:34], axis=-1, keepdims=True)
    rotations["left_shoulder"] = frames[:, 39:43] / np.linalg.norm(frames[:, 39:43], axis=-1, keepdims=True)
    bends = {"right_hip": frames[:, 20], "right_shoulder": frames[:, 29], "left_hip": frames[:, 34]}
    bends["left_shoulder"] = frames[:, 43]
    leg, arm = sum(_LEG), sum(_ARM)
    out = np.zeros((len(frames), WIDTH))
    out[:, POSITION] = (frames[:, 1:4] - np.array([0.0, _ANKLE_HEIGHT, 0.0])) / leg
    out[:, ROOT], out[:, CHEST], out[:, NECK] = rotations["root"], rotations["chest"], rotations["neck"]
    for part in QUATERNIONS:  # q and −q are the same rotation; signs must be consistent for smooth blending
        for row in range(1, len(out)):
            if out[row, part] @ out[row - 1, part] < 0:
                out[row, part] *= -1
    for side, name in enumerate(("left", "right")):
        for joint, lengths, target, pole, scale in (
            ("shoulder", _ARM, WRISTS, ELBOWS, arm),
            ("hip", _LEG, ANKLES, KNEES, leg),
        ):
            upper = rotations[f"{name}_{joint}"]
            middle = rotate(upper, np.array([0.0, -lengths[0], 0.0]))
            lower = quaternion_multiply(upper, axis_rotation(2, bends[f"{name}_{joint}"]))
            end = middle + rotate(lower, np.array([0.0, -lengths[1], 0.0]))
            # A straight limb has no bend, so the direction in which its hinge would bend it is used.
            hinge = rotate(upper, np.array([1.0 if joint == "hip" else -1.0, 0.0, 0.0]))
            along = end / np.maximum(np.linalg.norm(end, axis=-1, keepdims=True), 1e-9)
            across = middle - (middle * along).sum(-1, keepdims=True) * along + 0.02 * hinge
            out[:, target.start + 3 * side : target.start + 3 * side + 3] = end / scale
            out[:, pole.start + 3 * side : pole.start + 3 * side + 3] = across / np.maximum(
                np.linalg.norm(across, axis=-1, keepdims=True), 1e-9
            )
    return out
