"""The mesh of all bodies: MakeHuman's mesh with its clothing shells, shapes and skinning weights.

It is read from the asset `body` once per process. Axes are those of the project: x forward, y up, z to the person's
right, in metres. The mesh is the `hm08` base mesh of the MakeHuman community (CC0). Its file holds the skin, a
close-fitting shell around it (`tights`), a skirt, long hair, eyes, and a small cube around every joint.
"""

from __future__ import annotations

import functools
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.third_party import weights

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.int32]

LAYERS = ("body", "helper-tights", "helper-skirt", "helper-hair", "helper-l-eye", "helper-r-eye")
"""Groups of the mesh that are drawn."""
INFLUENCES = 4
"""Bones per vertex."""

_SIDES = ("l", "r")
_ONE_SIDED: tuple[tuple[str, str, str, str], ...] = (
    # bone, parent, joint at its head, joint at its tail; "*" stands for the side
    ("clavicle_*", "spine_03", "*-clavicle", "*-shoulder"),
    ("upperarm_*", "clavicle_*", "*-shoulder", "*-elbow"),
    ("lowerarm_*", "upperarm_*", "*-elbow", "*-hand"),
    ("hand_*", "lowerarm_*", "*-hand", "*-hand-3"),
    ("thigh_*", "pelvis", "*-upper-leg", "*-knee"),
    ("calf_*", "thigh_*", "*-knee", "*-ankle"),
    ("foot_*", "calf_*", "*-ankle", "*-foot-1"),
    ("ball_*", "foot_*", "*-foot-1", "*-toe-2-4"),
    *(
        (
            f"{finger}_0{bone}_*",
            "hand_*" if bone == 1 else f"{finger}_0{bone - 1}_*",
            f"*-finger-{number}-{bone}",
            f"*-finger-{number}-{bone + 1}",
        )
        for number, finger in enumerate(("thumb", "index", "middle", "ring", "pinky"), 1)
        for bone in (1, 2, 3)
    ),
)
BONES: tuple[tuple[str, str | None, str, str], ...] = (
    ("pelvis", None, "pelvis", "spine-4"),
    ("spine_01", "pelvis", "spine-4", "spine-3"),
    ("spine_02", "spine_01", "spine-3", "spine-2"),
    ("spine_03", "spine_02", "spine-2", "spine-1"),
    ("neck_01", "spine_03", "neck", "head"),
    ("head", "neck_01", "head", "head-2"),
    *(
        (bone.replace("*", side), parent.replace("*", side), head.replace("*", side), tail.replace("*", side))
        for side in _SIDES
        for bone, parent, head, tail in _ONE_SIDED
    ),
)
"""Bone, parent, joints at its head and tail; parents come before their children."""
BONE_INDEX = {bone[0]: index for index, bone in enumerate(BONES)}

RACES = ("african", "asian", "caucasian")
"""MakeHuman's names of three sets of facial and bodily proportions; people are blends of them."""
GENDERS = ("female", "male")
AGES = ("child", "young", "old")
LEVELS = ("min", "average", "max")


class BodyError(ValueError):
    """A file of the body asset is invalid; the message names it."""


@dataclass(frozen=True, slots=True, eq=False)
class BodyModel:
    """The mesh, its skinning and its shapes.

    `vertices` [N, 3] metres, standing at the origin with arms half raised; `quads` layer → [F, 4] vertex indices;
    `bone_index`, `bone_weight` [N, 4], weights adding up to 1; `cubes` joint → indices of the 8 vertices around it;
    `shapes` name → (indices [K], offsets [K, 3]).
    """

    vertices: Floats
    quads: dict[str, Indices]
    bone_index: Indices
    bone_weight: Floats
    cubes: dict[str, Indices]
    shapes: dict[str, tuple[Indices, Floats]]

    def joints(self, vertices: Floats) -> tuple[Floats, Floats]:
        """Return heads and tails [B, 3] of the bones in a body of another shape, `vertices` [N, 3]."""
        heads = np.stack([vertices[self.cubes[bone[2]]].mean(0) for bone in BONES])
        tails = np.stack([vertices[self.cubes[bone[3]]].mean(0) for bone in BONES])
        return heads, tails


def race_shape(race: str, gender: str, age: str) -> str:
    return f"{race}-{gender}-{age}"


def mass_shape(gender: str, age: str, muscle: str, weight: str) -> str:
    """Return the name of the shape with that muscularity and weight; if both are average, it is the race's shape
    itself."""
    return f"universal-{gender}-{age}-{muscle}muscle-{weight}weight"


def shape_names() -> list[str]:
    """Return the names of all shapes in the asset."""
    names = [race_shape(race, gender, age) for race in RACES for gender in GENDERS for age in AGES]
    for gender in GENDERS:
        for age in ("child", "young"):
            for muscle in LEVELS:
                names += [
                    mass_shape(gender, age, muscle, weight)
                    for weight in LEVELS
                    if (muscle, weight) != ("average", "average")
                ]
    return names


@functools.cache
def load_body(folder: Path | None = None) -> BodyModel:
    """Load the body from a folder, by default that of the installed asset. Raises `WeightsError` if it is missing,
    `BodyError`."""
    where = folder or weights.locate("body")
    vertices, quads, groups = _read_mesh(where / "base.obj")
    index, weight = _read_weights(where / "weights.game_engine.json", len(vertices))
    cubes = {name.removeprefix("joint-"): np.unique(quad) for name, quad in groups.items() if name.startswith("joint-")}
    missing = {joint for bone in BONES for joint in bone[2:]} - set(cubes)
    if missing:
        raise BodyError(f"{where / 'base.obj'}: no joint {', '.join(sorted(missing))}")
    shapes = {name: _read_shape(where / f"{name}.target.gz") for name in shape_names()}
    return BodyModel(vertices, quads, index, weight, cubes, shapes)


def _ours(points: Floats) -> Floats:
    """Convert from MakeHuman's axes: decimetres, x to the person's left, y up, z forward."""
    return np.ascontiguousarray(points[..., [2, 1, 0]] * np.array([0.1, 0.1, -0.1], np.float32))


def _read_mesh(path: Path) -> tuple[Floats, dict[str, Indices], dict[str, Indices]]:
    points: list[list[float]] = []
    faces: dict[str, list[list[int]]] = {}
    group = ""
    try:
        for line in path.read_text("ascii").splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "v":
                points.append([float(number) for number in rest.split()])
            elif kind == "g":
                group = rest.strip()
            elif kind == "f":
                corners = [int(corner.partition("/")[0]) - 1 for corner in rest.split()]
                faces.setdefault(group, []).append(corners if len(corners) == 4 else [*corners, corners[-1]])
        vertices = _ours(np.array(points, np.float32))
        groups = {name: np.array(corners, np.int32) for name, corners in faces.items()}
        return vertices, {name: groups[name] for name in LAYERS}, groups
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise BodyError(f"{path}: not the base mesh ({error})") from error


def _read_weights(path: Path, count: int) -> tuple[Indices, Floats]:
    try:
        data = json.loads(path.read_text("utf-8"))["weights"]
        dense = np.zeros((count, len(BONES)), np.float32)
        for bone, pairs in data.items():
            if bone == "Root" or not pairs:
                continue
            entries = np.array(pairs, np.float64)
            dense[entries[:, 0].astype(np.int64), BONE_INDEX[bone]] = entries[:, 1]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BodyError(f"{path}: not skinning weights ({error})") from error
    index = np.argsort(-dense, axis=1, kind="stable")[:, :INFLUENCES]
    weight = np.take_along_axis(dense, index, 1)
    total = weight.sum(1, keepdims=True)
    # The cubes around joints near the ground belong to no bone; they are never drawn.
    weight = np.where(total > 0, weight / np.maximum(total, 1e-9), np.eye(1, INFLUENCES))
    return index.astype(np.int32), weight.astype(np.float32)


def _read_shape(path: Path) -> tuple[Indices, Floats]:
    try:
        table = np.loadtxt(gzip.decompress(path.read_bytes()).decode("ascii").splitlines(), ndmin=2)
        return table[:, 0].astype(np.int32), _ours(table[:, 1:].astype(np.float32))
    except (OSError, ValueError, IndexError, EOFError) as error:
        raise BodyError(f"{path}: not a shape ({error})") from error
