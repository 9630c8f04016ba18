"""A person to render: a clothed mesh with its bones. The same seed gives the same person.

`draw_figure` takes about 0.1 s; the figure is then posed for every frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.skeleton import Builds
from training.synthetic.rendering.bodies.body_model import BONE_INDEX, BodyModel, Floats, Indices
from training.synthetic.rendering.bodies.body_shape import Phenotype, draw_phenotype, shaped
from training.synthetic.rendering.bodies.clothing import (
    Piece,
    ShapedBody,
    cut_bottom,
    cut_footwear,
    cut_skirt,
    cut_top,
    piece,
    uncovered,
)
from training.synthetic.rendering.bodies.heads import HeadStyle, draw_head, eye_tint, face_tint, hair_pieces, hat_piece
from training.synthetic.rendering.bodies.outfits import Outfit, draw_outfit
from training.synthetic.rendering.bodies.posing import Hands, RestSkeleton, bone_transforms
from training.synthetic.rendering.bodies.skinning import skin
from training.synthetic.rendering.surfaces.materials import Material, Rng, draw_hair, draw_skin, pack
from training.synthetic.rendering.surfaces.mesh import Mesh, clustered, joined

Array = NDArray[np.float64]

CELL_PIXELS = 0.8
"""Distance in pixels of the picture within which vertices are merged."""
FINEST_CELL = 0.006
"""Least cell in metres; finer ones save no time."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One person: `mesh` at rest, the bones of its vertices, its `materials` [M, C], its measures (`build` of one
    person), its bones at rest."""

    mesh: Mesh
    bone_index: Indices
    bone_weight: Floats
    materials: Floats
    build: Builds
    rest: RestSkeleton

    def for_height(self, pixels: float) -> Figure:
        """Return the same person with only the triangles that can be distinguished in a picture where they are `pixels`
        tall."""
        cell = CELL_PIXELS * float(self.build.stature[0]) / max(pixels, 1.0)
        if cell < FINEST_CELL:
            return self
        mesh, used = clustered(self.mesh, cell)
        return replace(self, mesh=mesh, bone_index=self.bone_index[used], bone_weight=self.bone_weight[used])

    def transforms(self, poses: Array, hands: Hands | None = None) -> Floats:
        """Return bone transforms [T, B, 3, 4] for limb poses [T, 39]; hands are relaxed by default."""
        return bone_transforms(self.rest, self.build, poses, hands or Hands.relaxed(len(poses)))

    def vertices(self, transforms: Floats) -> Floats:
        """Return the mesh's vertices [N, 3] in the world for one instant's transforms [B, 3, 4]."""
        return skin(self.mesh.vertices, self.bone_index, self.bone_weight, transforms)

    def hand_frames(self, transforms: Floats, side: int) -> Array:
        """Return rigid frames [T, 3, 4] of a hand (0 left, 1 right) for the object in it, from bone transforms [T, B,
        3, 4].

        The origin is the middle of the grip; y points out of the palm, z out of the fist at the thumb.
        """
        letter = "lr"[side]
        wrist, knuckle = (self._head(f"{bone}_{letter}") for bone in ("hand", "middle_01"))
        index, pinky = (self._head(f"{bone}_01_{letter}") for bone in ("index", "pinky"))
        out = np.cross(index - wrist, pinky - wrist) * (1.0 if side else -1.0)
        out /= np.linalg.norm(out)
        grip = wrist + 0.9 * (knuckle - wrist) + 0.025 * out
        return self._frames(transforms, f"hand_{letter}", grip, index - pinky, out)

    def back_frames(self, transforms: Floats) -> Array:
        """Return rigid frames [T, 3, 4] between the shoulder blades: y up, z to the person's right."""
        between = (self._head("upperarm_l") + self._head("upperarm_r")) / 2
        right, up = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
        return self._frames(transforms, "spine_03", between, right, up)

    def _head(self, bone: str) -> Array:
        return self.rest.heads[BONE_INDEX[bone]].astype(np.float64)

    def _frames(self, transforms: Floats, bone: str, origin: Array, z: Array, y: Array) -> Array:
        """Return frames with z along `z` and y as nearly as possible along `y` (both [3], in the rest pose)."""
        moved = transforms[:, BONE_INDEX[bone]].astype(np.float64)
        along = moved[..., :3] @ z
        along /= np.linalg.norm(along, axis=-1, keepdims=True)
        out = moved[..., :3] @ y
        out -= (out * along).sum(-1, keepdims=True) * along
        out /= np.linalg.norm(out, axis=-1, keepdims=True)
        place = moved[..., :3] @ origin + moved[..., 3]
        return np.stack([np.cross(out, along), out, along, place], -1)


def draw_figure(model: BodyModel, rng: Rng, build: Builds) -> Figure:
    """Draw a person with those measures (`build` of one)."""
    phenotype = draw_phenotype(rng, float(build.stature[0]))
    body = ShapedBody.of(model, shaped(model, phenotype))
    chest = body.hip_height + 0.75 * body.torso
    outfit = draw_outfit(rng, phenotype.male, chest)
    return dressed(model, rng, build, phenotype, body, outfit, draw_head(rng, phenotype.male, 1 - phenotype.age[0]))


def dressed(
    model: BodyModel,
    rng: Rng,
    build: Builds,
    phenotype: Phenotype,
    body: ShapedBody,
    outfit: Outfit,
    head: HeadStyle,
) -> Figure:
    """Return a person with that body and outfit."""
    dark = phenotype.descent[0]
    skin_material = draw_skin(rng, dark)
    hair = draw_hair(rng, phenotype.age[2], min(1.0, dark + phenotype.descent[1]))
    materials: list[Material] = [skin_material, hair, Material((1.0, 1.0, 1.0), shine=0.4, grain=0.0)]
    pieces = [_skin(body, outfit, head, hair, skin_material)]
    iris = np.array([[0.02, 0.012, 0.008], [0.08, 0.05, 0.02], [0.05, 0.1, 0.15]], np.float32)[rng.integers(3)]
    everything = np.ones(len(body.vertices), bool)
    eyes = eye_tint(body, iris)
    pieces += [piece(body, f"helper-{side}-eye", everything, 2, tint=eyes, two_sided=False) for side in "lr"]
    if outfit.hat is None:
        pieces += hair_pieces(body, head, 1, rng)
    else:
        pieces += [hat_piece(body, len(materials), rng)]
        materials.append(outfit.hat)
        if head.long:
            pieces += hair_pieces(body, head, 1, rng)[1:]
    pieces += _clothes(body, outfit, materials)
    pieces = [one for one in pieces if len(one.source)]
    source = np.concatenate([one.source for one in pieces])
    skin_only = np.unique(model.quads["body"])
    low = float(body.vertices[skin_only, 1].min())
    rest = RestSkeleton(
        heads=body.heads,
        tails=body.tails,
        stature=float(body.vertices[skin_only, 1].max()) - low,
        sole=low,
        ears=body.face.ears.mean(0),
        ear_distance=float(np.linalg.norm(body.face.ears[0] - body.face.ears[1])),
    )
    mesh = joined([one.mesh for one in pieces])
    return Figure(mesh, model.bone_index[source], model.bone_weight[source], pack(materials), build, rest)


def _skin(body: ShapedBody, outfit: Outfit, head: HeadStyle, hair: Material, skin_material: Material) -> Piece:
    hair_colour = np.array(hair.colour, np.float32)
    tint = face_tint(body, head, hair_colour, np.array(skin_material.colour, np.float32), outfit.sunglasses)
    return piece(body, "body", uncovered(body, outfit), 0, tint=tint, two_sided=False)


def _clothes(body: ShapedBody, outfit: Outfit, materials: list[Material]) -> list[Piece]:
    def add(material: Material) -> int:
        materials.append(material)
        return len(materials) - 1

    pieces: list[Piece] = []
    if outfit.sock:
        pieces.append(cut_footwear(body, outfit.shaft, add(outfit.sock), 0.002))
    if outfit.shoe:
        sole = body.vertices[:, 1] < body.vertices[:, 1][np.unique(body.model.quads["body"])].min() + 0.022
        tint = np.ones_like(body.vertices)
        if outfit.sole:
            tint[sole] = np.array(outfit.sole.colour, np.float32) / np.maximum(outfit.shoe.colour, 0.02)
        start = 1.92 if outfit.shaft > 1.5 or outfit.sock else outfit.shaft
        pieces.append(cut_footwear(body, start, add(outfit.shoe), 0.009, np.clip(tint, 0, 20)))
    if outfit.bottom:
        pieces.append(cut_bottom(body, outfit.bottom, add(outfit.bottom.cloth)))
    if outfit.skirt:
        pieces.append(cut_skirt(body, outfit.skirt, add(outfit.skirt.cloth), 0.006 + 0.02 * (outfit.skirt.opening > 0)))
    pieces += [cut_top(body, top, add(top.cloth)) for top in outfit.tops]
    if outfit.gloves:
        keep = np.any(body.regions.hand > 0.3, axis=0)
        moved = body.vertices + np.float32(0.003) * body.normals
        pieces.append(piece(body, "body", keep, add(outfit.gloves), moved=moved))
    return pieces
