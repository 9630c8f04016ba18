"""Cutting the garments of an outfit from the shells around a body, and removing the skin that they hide.

A garment is a part of the mesh's close-fitting shell or skirt: moved away from the skin, hung straight where it is
wide, and smoothed. It moves with the body by the mesh's skinning weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.bodies.body_model import BONE_INDEX, LAYERS, BodyModel, Floats, Indices
from training.synthetic.rendering.bodies.body_regions import Face, Regions, face, regions
from training.synthetic.rendering.bodies.outfits import Bottom, Outfit, Skirt, Top
from training.synthetic.rendering.bodies.skinning import vertex_normals
from training.synthetic.rendering.surfaces.mesh import Mesh, compacted, smoothed, triangles_of

Flags = NDArray[np.bool_]

_SLACK = 0.22
"""Distance, in limb coordinates, by which skin reaches into sleeves and trouser legs."""


@dataclass(frozen=True, slots=True, eq=False)
class ShapedBody:
    """A body of one shape at rest: `vertices`, `normals` [N, 3] of all layers; `heads`, `tails` [B, 3] of the bones."""

    model: BodyModel
    vertices: Floats
    normals: Floats
    heads: Floats
    tails: Floats
    regions: Regions
    face: Face

    @classmethod
    def of(cls, model: BodyModel, vertices: Floats) -> ShapedBody:
        heads, tails = model.joints(vertices)
        shells = np.concatenate([triangles_of(model.quads[layer]) for layer in LAYERS])
        normals = vertex_normals(vertices, shells)
        return cls(
            model, vertices, normals, heads, tails, regions(model, vertices, heads, tails), face(model, vertices)
        )

    @property
    def hip_height(self) -> float:
        return float(self.heads[[BONE_INDEX["thigh_l"], BONE_INDEX["thigh_r"]], 1].mean())

    @property
    def shoulder_height(self) -> float:
        return float(self.heads[[BONE_INDEX["upperarm_l"], BONE_INDEX["upperarm_r"]], 1].mean())

    @property
    def torso(self) -> float:
        return self.shoulder_height - self.hip_height


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a figure: its mesh, and for each of its vertices the body's vertex that it comes from, [n]."""

    mesh: Mesh
    source: Indices


def piece(
    body: ShapedBody,
    layer: str,
    keep: Flags | Floats,
    material: int,
    *,
    moved: Floats | None = None,
    smooth: int = 0,
    tint: Floats | None = None,
    two_sided: bool = True,
) -> Piece:
    """Return the faces of a layer that `keep` [N] selects, with their vertices at `moved` [N, 3] instead of the body's.

    With flags, a face is kept if all its vertices are. With numbers, the area above zero is kept: the outer vertices of
    a face across the edge are moved in to where the number is zero, so that hems are straight.
    """
    quads = body.model.quads[layer]
    margin = None if keep.dtype == bool else np.asarray(keep, np.float32)
    chosen = quads[keep[quads].all(1) if margin is None else (margin[quads] > 0).any(1)]
    source, local = compacted(chosen)
    vertices = (body.vertices if moved is None else moved)[source]
    if smooth and len(source):
        vertices = smoothed(vertices, local, smooth)
    if margin is not None and len(source):
        vertices = _hemmed(vertices, local, margin[source])
    triangles = triangles_of(local)
    mesh = Mesh(
        vertices=np.ascontiguousarray(vertices, np.float32),
        pattern_at=np.ascontiguousarray(body.vertices[source]),
        tint=np.ones((len(source), 3), np.float32) if tint is None else np.ascontiguousarray(tint[source]),
        triangles=triangles,
        two_sided=np.full(len(triangles), two_sided),
        material=np.full(len(triangles), material, np.int32),
        part=body.regions.part[source][triangles[:, 0]] if len(source) else np.zeros(0, np.int32),
    )
    return Piece(mesh, source)


def _hemmed(vertices: Floats, quads: Indices, margin: Floats) -> Floats:
    """Move vertices [n, 3] with `margin` [n] ≤ 0 along their edges to vertices inside, to where the margin is zero."""
    first = np.concatenate([quads[:, corner] for corner in range(4)])
    second = np.concatenate([quads[:, (corner + 1) % 4] for corner in range(4)])
    outer, inner = np.concatenate([first, second]), np.concatenate([second, first])
    crossing = (margin[outer] <= 0) & (margin[inner] > 0)
    outer, inner = outer[crossing], inner[crossing]
    share = np.clip(margin[inner] / (margin[inner] - margin[outer]), 0.02, 0.98)[:, None]
    places = vertices[inner] + share * (vertices[outer] - vertices[inner])
    count = np.bincount(outer, minlength=len(vertices))
    total = np.stack([np.bincount(outer, places[:, axis], len(vertices)) for axis in range(3)], -1)
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], vertices).astype(np.float32)


def top_margin(body: ShapedBody, top: Top, slack: float = 0.0) -> Floats:
    """Return how far inside a top each vertex is [N]; above zero, the top covers it. `slack` moves its edges
    inwards."""
    area = body.regions
    hem = body.hip_height + (top.hem + 0.25 * slack) * body.torso
    margin = (body.vertices[:, 1] - hem) / body.torso
    for side in (0, 1):
        on = area.arm[side] + area.hand[side] > 0.5
        margin = np.where(on, np.minimum(margin, top.sleeve - slack - area.along_arm[side]), margin)
        margin = np.minimum(margin, 0.5 - area.hand[side])
    neck = (0.95 if top.collar else 0.35) - slack - area.neck
    return np.minimum(np.minimum(margin, neck), 0.1 - area.head)


def leg_mask(body: ShapedBody, start: float, end: float) -> Flags:
    """Return the vertices [N] of legs and feet between two places along the leg."""
    area = body.regions
    out = np.zeros(len(body.vertices), bool)
    for side in (0, 1):
        on = area.leg[side] + area.foot[side] > 0.5
        out |= on & (area.along_leg[side] >= start) & (area.along_leg[side] <= end)
    return out


def trouser_margin(body: ShapedBody, length: float, slack: float = 0.0) -> Floats:
    """Return how far inside trousers of that length each vertex is [N]; above zero, they cover it. They reach the
    waist."""
    area = body.regions
    margin = 0.42 - slack - (body.vertices[:, 1] - body.hip_height) / body.torso
    margin = np.minimum(margin, 0.1 - area.hand.sum(0))
    margin = np.minimum(margin, 0.3 - area.arm.sum(0))
    for side in (0, 1):
        on = area.leg[side] + area.foot[side] > 0.5
        margin = np.where(on, np.minimum(margin, length - slack - area.along_leg[side]), margin)
    return margin


def cut_top(body: ShapedBody, top: Top, material: int) -> Piece:
    """Cut a shirt, jacket or vest."""
    loose = top.stand_off
    # Cloth rests on the shoulders and stands off only below them.
    shoulder = np.clip((body.shoulder_height - body.vertices[:, 1]) / (0.25 * body.torso) + 0.5, 0.6, 1.0)
    moved = body.vertices + (loose * shoulder)[:, None].astype(np.float32) * body.normals
    moved = _hung(body, moved, 0.55 + 0.42 * top.width, loose)
    for side in (0, 1):
        on = (body.regions.arm[side] > 0.5) & (body.regions.along_arm[side] > 0.3)
        moved = _widened(body, moved, ("upperarm", "lowerarm"), side, on, 0.4 + 0.5 * top.width, 0.5 * loose)
    keep = top_margin(body, top)
    if top.opening > 0:
        front = body.normals[:, 0] > 0.2
        keep = np.where(front, np.minimum(keep, np.abs(body.vertices[:, 2]) - top.opening), keep)
    return piece(body, "helper-tights", keep, material, moved=moved, smooth=1 + round(3 * top.width))


def cut_bottom(body: ShapedBody, bottom: Bottom, material: int) -> Piece:
    """Cut trousers, shorts or leggings."""
    loose = bottom.stand_off
    moved = body.vertices + loose * body.normals
    for side in (0, 1):
        on = (body.regions.leg[side] > 0.5) & (body.regions.along_leg[side] > 0.25)
        moved = _widened(body, moved, ("thigh", "calf"), side, on, 0.35 + 0.6 * bottom.width, loose)
    keep = trouser_margin(body, bottom.length)
    return piece(body, "helper-tights", keep, material, moved=moved, smooth=1 + round(2 * bottom.width))


def cut_skirt(body: ShapedBody, skirt: Skirt, material: int, lift: float) -> Piece:
    """Cut a skirt, or the part of a dress or coat below the waist, `lift` metres away from what is under it."""
    along = body.regions.along_leg.mean(0)
    keep = skirt.length - along
    if skirt.opening > 0:
        front = body.normals[:, 0] > 0.2
        keep = np.where(front, np.minimum(keep, np.abs(body.vertices[:, 2]) - skirt.opening - 0.03), keep)
    return piece(body, "helper-skirt", keep, material, moved=body.vertices + lift * body.normals, smooth=1)


def cut_footwear(body: ShapedBody, start: float, material: int, thickness: float, tint: Floats | None = None) -> Piece:
    """Cut shoes, boots or socks from `start` along the leg downwards."""
    keep = leg_mask(body, start, 9.0)
    moved = body.vertices + thickness * body.normals
    return piece(body, "helper-tights", keep, material, moved=moved, tint=tint)


def uncovered(body: ShapedBody, outfit: Outfit) -> Flags:
    """Return the vertices [N] of the skin that clothes may leave visible."""
    hidden = np.zeros(len(body.vertices), bool)
    for top in outfit.tops:
        if top.opening == 0:
            hidden |= top_margin(body, top, _SLACK) > 0
    if outfit.bottom:
        hidden |= trouser_margin(body, outfit.bottom.length, _SLACK) > 0
    if outfit.shoe:
        hidden |= leg_mask(body, max(outfit.shaft, 1.9) + 0.1, 9.0)
    if outfit.gloves:
        hidden |= (body.regions.hand > 0.5).any(0) & (body.regions.along_arm.max(0) > 2.1)
    return ~hidden


def _hung(body: ShapedBody, moved: Floats, share: float, loose: float) -> Floats:
    """Let cloth below the chest hang from it: no nearer to the body's axis than `share` of the chest's ellipse."""
    area = body.regions
    trunk = (area.arm.sum(0) < 0.4) & (area.hand.sum(0) < 0.1)
    chest = body.hip_height + 0.78 * body.torso
    ring = trunk & (np.abs(body.vertices[:, 1] - chest) < 0.05)
    ring[np.setdiff1d(np.arange(len(ring)), np.unique(body.model.quads["helper-tights"]))] = False
    if not ring.any():
        return moved
    axis = body.vertices[ring].mean(0)
    radii = np.abs(body.vertices[ring] - axis).max(0) + loose
    offset = moved - axis
    offset[:, 1] = 0
    size = np.hypot(offset[:, 0] / radii[0], offset[:, 2] / radii[2])
    below = trunk & (body.vertices[:, 1] < chest) & (size > 0.2)
    out = moved.copy()
    grow = np.where(below, np.maximum(share / np.maximum(size, 0.2), 1.0), 1.0)[:, None]
    return (out + offset * (grow - 1)).astype(np.float32)


def _widened(
    body: ShapedBody, moved: Floats, bones: tuple[str, str], side: int, on: Flags, share: float, loose: float
) -> Floats:
    """Let cloth on a limb hang: no nearer to the limb's bones than `share` of the radius near its root."""
    letter = "lr"[side]
    first, second = (BONE_INDEX[f"{bone}_{letter}"] for bone in bones)
    along = (body.regions.along_arm if bones[0] == "upperarm" else body.regions.along_leg)[side]
    lower = along > 1
    start = np.where(lower[:, None], body.heads[second], body.heads[first])
    direction = np.where(
        lower[:, None], body.tails[second] - body.heads[second], body.heads[second] - body.heads[first]
    )
    direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    offset = moved - start
    offset = offset - (offset * direction).sum(1, keepdims=True) * direction
    radius = np.linalg.norm(offset, axis=1)
    reference = on & (along > 0.3) & (along < 0.6)
    if not reference.any():
        return moved
    wanted = share * (float(np.median(radius[reference])) + loose)
    grow = np.where(on, np.maximum(wanted / np.maximum(radius, 1e-3), 1.0), 1.0)[:, None]
    return (moved + offset * (grow - 1)).astype(np.float32)
