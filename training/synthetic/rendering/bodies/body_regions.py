"""The body region of each vertex: its part, its place along an arm or leg, and landmarks of the face.

Everything is for a mesh in its rest pose.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from stages.vocabulary import PARTS
from training.synthetic.rendering.bodies.body_model import BONE_INDEX, BONES, BodyModel, Floats, Indices

TRUNK = len(PARTS)
"""The number of chest and belly, which are no part of the vocabulary."""
PART_COUNT = TRUNK + 1
PART_NAMES = (*PARTS, "trunk")

_HAIRLINE = ((-0.07, -0.085), (-0.03, -0.06), (0.02, -0.005), (0.045, 0.02), (0.09, 0.045), (0.135, 0.062))
"""The hairline: distance forward of the ears (metres on an adult's head) and height above the eyes."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Regions of N vertices. `part` [N]; `arm`, `leg` [2, N]: share of the weight on the left and right limb without
    hand and foot; `hand`, `foot` [2, N], `head`, `neck` [N] likewise; `along_arm`, `along_leg` [2, N]: 0 at shoulder or
    hip, 1 at elbow or knee, 2 at wrist or ankle."""

    part: Indices
    arm: Floats
    leg: Floats
    hand: Floats
    foot: Floats
    head: Floats
    neck: Floats
    along_arm: Floats
    along_leg: Floats


def regions(model: BodyModel, vertices: Floats, heads: Floats, tails: Floats) -> Regions:
    """Return the regions of a body with `vertices` [N, 3] and bones' `heads` and `tails` [B, 3]."""
    shares = _family_shares(model)

    def along(bones: tuple[str, str]) -> Floats:
        first, second = (BONE_INDEX[bone] for bone in bones)
        return _along(vertices, heads[first], heads[second], tails[second])

    return Regions(
        part=shares["part"].astype(np.int32),
        arm=np.stack([shares["arm_l"], shares["arm_r"]]),
        leg=np.stack([shares["leg_l"], shares["leg_r"]]),
        hand=np.stack([shares["hand_l"], shares["hand_r"]]),
        foot=np.stack([shares["foot_l"], shares["foot_r"]]),
        head=shares["head"],
        neck=shares["neck"],
        along_arm=np.stack([along((f"upperarm_{side}", f"lowerarm_{side}")) for side in "lr"]),
        along_leg=np.stack([along((f"thigh_{side}", f"calf_{side}")) for side in "lr"]),
    )


_FAMILIES = {
    "head": "head", "neck_01": "neck", "pelvis": "hip", "upperarm": "arm", "lowerarm": "arm", "hand": "hand",
    "thumb": "hand", "index": "hand", "middle": "hand", "ring": "hand", "pinky": "hand", "thigh": "leg", "calf": "leg",
    "foot": "foot", "ball": "foot",
}  # fmt: skip
_PART_OF = {"head": "head", "neck": "head", "hip": "hip"}
_SIDES = {"l": "left", "r": "right"}


def part_of_bone(bone: str) -> int:
    """Return the number of the part that a bone belongs to. Chest, belly and collar bones belong to the trunk."""
    family, side = _family(bone)
    name = _PART_OF.get(family) or (f"{_SIDES[side]}_{family}" if side else "")
    return PARTS.index(name) if name in PARTS else TRUNK


def _family(bone: str) -> tuple[str, str]:
    side = bone[-1] if bone.endswith(("_l", "_r")) else ""
    family = _FAMILIES.get(bone) or _FAMILIES.get(bone.split("_")[0], "trunk")
    return family, side if family not in ("trunk",) else ""


@functools.cache
def _family_shares(model: BodyModel) -> dict[str, Floats]:
    count = len(model.vertices)
    shares: dict[str, Floats] = {}
    votes = np.zeros((count, PART_COUNT), np.float32)
    for bone, *_ in BONES:
        family, side = _family(bone)
        weight = np.where(model.bone_index == BONE_INDEX[bone], model.bone_weight, 0).sum(1)
        key = f"{family}_{side}" if side else family
        shares[key] = shares.get(key, np.zeros(count, np.float32)) + weight.astype(np.float32)
        votes[:, part_of_bone(bone)] += weight
    shares["part"] = votes.argmax(1).astype(np.float32)
    return shares


def _along(points: Floats, root: Floats, middle: Floats, end: Floats) -> Floats:
    """Return the place [N] of points along a limb: below 0 before its root, 1 at its middle, above 2 after its end."""
    upper, lower = middle - root, end - middle
    first = ((points - root) @ upper) / (upper @ upper)
    second = ((points - middle) @ lower) / (lower @ lower)
    return np.where(second > 0, 1 + second, np.minimum(first, 1.0)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Landmarks of a head at rest: `eyes` [2, 3] (left, right), `mouth`, `nose` [3], `ears` [2, 3]; `size` relative to
    an adult's head."""

    eyes: Floats
    mouth: Floats
    nose: Floats
    ears: Floats
    size: float


_ADULT_EYES = 0.061
"""Distance of the eyes' centres in the mesh's mean adult, in metres."""


def face(model: BodyModel, vertices: Floats) -> Face:
    """Return the landmarks of a body with these vertices."""
    nose, left, right = _face_vertices(model)
    eyes = np.stack([vertices[np.unique(model.quads[f"helper-{side}-eye"])].mean(0) for side in "lr"])
    return Face(
        eyes=eyes,
        mouth=vertices[model.cubes["mouth"]].mean(0),
        nose=vertices[nose],
        ears=vertices[[left, right]],
        size=float(np.linalg.norm(eyes[0] - eyes[1])) / _ADULT_EYES,
    )


@functools.cache
def _face_vertices(model: BodyModel) -> tuple[int, int, int]:
    """Return tip of the nose, left and right ear: the head's outermost vertices forwards and sideways."""
    body = np.unique(model.quads["body"])
    body = body[_family_shares(model)["head"][body] > 0.9]
    points = model.vertices[body]
    return int(body[points[:, 0].argmax()]), int(body[points[:, 2].argmin()]), int(body[points[:, 2].argmax()])


def above_hairline(points: Floats, landmarks: Face) -> Floats:
    """Return how far above the hairline points of the head are [N] (metres on an adult's head); ears are below it."""
    centre = landmarks.ears.mean(0)
    forward = (points[:, 0] - centre[0]) / landmarks.size
    high = (points[:, 1] - landmarks.eyes[:, 1].mean()) / landmarks.size
    line = np.array(_HAIRLINE)
    above = high - np.interp(forward, line[:, 0], line[:, 1])
    ear = np.linalg.norm(np.abs(points - centre) - np.abs(landmarks.ears - centre).mean(0), axis=1) / landmarks.size
    return np.where(ear < 0.022, -0.01, above).astype(np.float32)


def inside_ellipsoid(points: Floats, centre: Floats, radii: tuple[float, float, float]) -> Floats:
    """Return 1 at the centre [3] of an ellipsoid with half axes along x, y, z, 0 on its surface, negative outside,
    [N]."""
    return (1 - np.linalg.norm((points - centre) / np.array(radii, np.float32), axis=1)).astype(np.float32)
