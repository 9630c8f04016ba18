"""Small files of recorded motion in their original formats, made of one simple figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.body import JOINTS
from training.sources.formats.datasets import UTKINECT_JOINTS

Array = NDArray[np.float64]

_HALF = {
    "shoulder": (0.18, 0, 1.42), "elbow": (0.2, 0, 1.14), "wrist": (0.22, 0.05, 0.9), "hand": (0.22, 0.08, 0.82),
    "hip": (0.09, 0, 0.92), "knee": (0.1, 0, 0.5), "ankle": (0.1, 0, 0.08), "toe": (0.11, 0.18, 0.0),
}  # fmt: skip
_MIDDLE = {"head_top": (0, 0, 1.75), "head": (0, 0.02, 1.62), "neck": (0, 0, 1.46), "pelvis": (0, 0, 0.94)}


def figure() -> dict[str, Array]:
    """Return a person of 1.75 m who stands at the origin in metres, z up, and faces +y: the left side is at −x."""
    found = {name: np.array(place, float) for name, place in _MIDDLE.items()}
    for part, (x, y, z) in _HALF.items():
        found[f"l_{part}"], found[f"r_{part}"] = np.array([-x, y, z]), np.array([x, y, z])
    return found


def walked(frames: int, step: float = 0.02) -> Array:
    """Return joints [frames, 20, 3] of the figure moving along +y by `step` a frame."""
    body = np.stack([figure()[name] for name in JOINTS])
    return body[None] + np.arange(frames)[:, None, None] * np.array([0, step, 0])


def y_up(points: Array) -> Array:
    """Turn points with z up by a quarter about x: z becomes y."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


# Joint: (parent, position in the rest pose in metres, y up); the rest pose is a T-pose facing +z, left at +x.
MIXAMO: Mapping[str, tuple[str, tuple[float, float, float]]] = {
    "Hips": ("", (0, 0.94, 0)),
    "Spine": ("Hips", (0, 1.1, 0)),
    "Neck": ("Spine", (0, 1.46, 0)),
    "Head": ("Neck", (0, 1.62, 0.02)),
    "HeadTop_End": ("Head", (0, 1.75, 0.02)),
    **{
        f"{side}{part}": (f"{side}{parent}" if parent not in ("Hips", "Spine") else parent, (sign * x, y, z))
        for side, sign in (("Left", 1), ("Right", -1))
        for part, parent, (x, y, z) in (
            ("Shoulder", "Spine", (0.05, 1.42, 0)),
            ("Arm", "Shoulder", (0.18, 1.42, 0)),
            ("ForeArm", "Arm", (0.46, 1.42, 0)),
            ("Hand", "ForeArm", (0.71, 1.42, 0)),
            ("UpLeg", "Hips", (0.09, 0.92, 0)),
            ("Leg", "UpLeg", (0.1, 0.5, 0)),
            ("Foot", "Leg", (0.1, 0.08, 0)),
            ("ToeBase", "Foot", (0.11, 0.0, 0.15)),
        )
    },
}


def bvh_text(
    frames: Sequence[Mapping[str, Sequence[float]]],
    *,
    joints: Mapping[str, tuple[str, tuple[float, float, float]]] = MIXAMO,
    order: str = "ZXY",
    scale: float = 100.0,
    frame_s: float = 1 / 60,
    rename: Callable[[str], str] = lambda name: name,
) -> str:
    """Return a BVH file: each frame maps joints to angles in the channels' order, and `root` to the root's position.

    Only the root has position channels; it comes first.
    """
    children: dict[str, list[str]] = {}
    for name, (parent, _) in joints.items():
        children.setdefault(parent, []).append(name)
    listed: list[str] = []

    def node(name: str, depth: int) -> list[str]:
        parent, place = joints[name]
        listed.append(name)
        offset = np.array(place) - (np.array(joints[parent][1]) if parent else 0)
        spaces = "\t" * depth
        rotations = " ".join(f"{axis}rotation" for axis in order)
        channels = f"3 {rotations}" if parent else f"6 Xposition Yposition Zposition {rotations}"
        lines = [
            f"{spaces}{'JOINT' if parent else 'ROOT'} {rename(name)}",
            f"{spaces}{{",
            f"{spaces}\tOFFSET {' '.join(f'{value * scale:.6f}' for value in offset)}",
            f"{spaces}\tCHANNELS {channels}",
        ]
        for child in children.get(name, []):
            lines += node(child, depth + 1)
        if name not in children:
            lines += [f"{spaces}\tEnd Site", f"{spaces}\t{{", f"{spaces}\t\tOFFSET 0 0 {0.05 * scale}", f"{spaces}\t}}"]
        return [*lines, f"{spaces}}}"]

    (root,) = children[""]
    lines = ["HIERARCHY", *node(root, 0), "MOTION", f"Frames: {len(frames)}", f"Frame Time: {frame_s:.7f}"]
    for frame in frames:
        values = [*frame.get("root", np.array(joints[root][1]) * scale)]
        for name in listed:
            values += [*frame.get(name, (0, 0, 0))]
        lines.append(" ".join(f"{value:.6f}" for value in values))
    return "\n".join(lines) + "\n"


def utkinect_text(joints: Array, numbers: Sequence[int]) -> str:
    """Return a `joints_*.txt` of joints [T, 20, 3] in metres with z up, seen by a Kinect."""
    lines: list[str] = []
    for number, frame in zip(numbers, y_up(joints), strict=True):
        places = [frame[JOINTS.index(name)] if name else np.array([9.0, 9, 9]) for name in UTKINECT_JOINTS]
        lines.append(f"{number}   " + "  ".join(f"{value:.6f}" for value in np.concatenate(places)))
    return "\n".join(lines) + "\n"


def save_penn(path: Path, x: Array, y: Array, **fields: object) -> Path:
    """Write a label file of Penn Action: x, y [T, 13]."""
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"action": "squat", "pose": "front", "visibility": np.ones_like(x), "train": 1.0, **fields}
    savemat(path, {"x": x, "y": y, "dimensions": np.array([[360.0, 480.0, float(len(x))]]), **content})
    return path


def save_jhmdb(folder: Path, name: str, clip: str, **positions: Array) -> Path:
    """Write a label file of JHMDB below `folder`/joint_positions."""
    from scipy.io import savemat

    path = folder / "joint_positions" / name / clip / "joint_positions.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, dict(positions))
    return path
