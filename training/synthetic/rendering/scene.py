"""Rendering a scene of people, objects, surroundings and light in one frame, with labels of what is visible.

Anti-aliasing and motion blur are combined: a picture is the mean of a few samples, each at another moment of the
exposure and at another place within the pixels. Labels are for the middle of the exposure and of the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.backdrop import Backdrop, add_backdrop, backdrop
from training.synthetic.rendering.bodies.body_regions import PART_COUNT
from training.synthetic.rendering.bodies.figure import Figure
from training.synthetic.rendering.bodies.skinning import vertex_normals
from training.synthetic.rendering.camera import Camera
from training.synthetic.rendering.light import Light, shadow_map
from training.synthetic.rendering.objects import RigidObject
from training.synthetic.rendering.raster import (
    draw_parts,
    draw_triangles,
    project,
    stretch_boxes,
    tally_covered,
    tally_visible,
)
from training.synthetic.rendering.shading import SAMPLE_PLACES, SHADOW_BIAS, noise_volume, shade_surfaces
from training.synthetic.rendering.surfaces.materials import Floats, Ints
from training.synthetic.rendering.surfaces.mesh import Mesh
from training.synthetic.rendering.surroundings import Surroundings

Array = NDArray[np.float64]

_MOMENTS = (0.1, 0.4, 0.6, 0.9)
"""Moments of the samples, between the shutter's opening (0) and closing (1)."""
_MOVING_BACKDROP_SAMPLES = 2
"""Samples per pixel of the surroundings if the camera moves, when they take most of a frame's time."""


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A mesh in the world: `vertices` [2, N, 3] when the shutter opens and closes, `materials` [M, C] packed."""

    mesh: Mesh
    materials: Floats
    vertices: Floats


def posed_person(figure: Figure, transforms: Floats) -> Posed:
    """Return a figure with its bones' transforms [2, B, 3, 4] when the shutter opens and closes."""
    vertices = np.stack([figure.vertices(transforms[moment]) for moment in (0, 1)])
    return Posed(figure.mesh, figure.materials, vertices)


def posed_object(thing: RigidObject, opening: Array, closing: Array | None = None) -> Posed:
    """Return an object with its transform [3, 4] when the shutter opens, and another when it closes if it moves."""
    vertices = thing.at(np.stack([opening, opening if closing is None else closing]))
    return Posed(thing.mesh, thing.materials, vertices)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One frame's scene. `camera`: when the shutter opens and closes. `contacts` [K, 4]: places near the ground that
    darken it: x, z, radius (metres), strength in [0, 1]."""

    people: Sequence[Posed]
    objects: Sequence[Posed]
    camera: tuple[Camera, Camera]
    light: Light
    surroundings: Surroundings
    contacts: Floats = field(default_factory=lambda: np.zeros((0, 4), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """A rendered frame with labels.

    `light` [H, W, 3]: linear light for `effects.develop`; `owner` [H, W]: the number of the person (from 0) or object
    (after the people) that each pixel shows, −1 for none; `part` [H, W]: its part (`body_regions.PART_NAMES`), 0 for
    objects, −1 for none.

    For K people and objects and P parts (objects use only the first): `visible` [K, P]: visible pixels; `whole` [K, P]:
    pixels if nothing were in front and the picture were twice as large; `boxes` [K, P, 4] around visible pixels (x1,
    y1, x2, y2; inf, inf, −inf, −inf if there are none); `whole_boxes` [K, P, 4] around everything, also outside the
    picture; `visible_share` [K] of the whole person or object.
    """

    light: Floats
    owner: Ints
    part: Ints
    visible: Ints
    whole: Ints
    boxes: Floats
    whole_boxes: Floats
    visible_share: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _CombinedMeshes:
    """All meshes of a scene joined into one; `owner` [T]; `starts` [K + 1]: first triangle of each, `vertex_starts`
    likewise."""

    vertices: Floats
    pattern_at: Floats
    tint: Floats
    triangles: Ints
    two_sided: NDArray[np.bool_]
    material: Ints
    part: Ints
    owner: Ints
    table: Floats
    starts: Ints
    vertex_starts: Ints


def render(scene: Scene, still: Backdrop | None = None) -> Rendering:
    """Render the scene. `still`: the backdrop of a camera that does not move (`backdrop.backdrop`), painted once."""
    camera = scene.camera[0]
    width, height = camera.size
    combined = _gather([*scene.people, *scene.objects])
    between = _between(scene.camera, 0.5)
    middle, screen = _projected(combined, between, 0.5, (0.5, 0.5))
    normals = vertex_normals(middle, combined.triangles)
    shadow = shadow_map(scene.light, middle, combined.triangles)
    bias = float(SHADOW_BIAS * np.linalg.norm(shadow.matrix[2, :3]))
    out, uncovered = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    towards, sun, above, below = (
        np.asarray(value, np.float32)
        for value in (scene.light.towards, scene.light.sun, scene.light.above, scene.light.below)
    )
    for number, (place, moment) in enumerate(zip(SAMPLE_PLACES, _MOMENTS)):
        view = _between(scene.camera, moment)
        world, sampled = _projected(combined, view, moment, place)
        face = _faces(combined, sampled, (height, width))
        shade_surfaces(
            face, sampled, world, normals, combined.pattern_at, combined.tint, combined.triangles,
            combined.material, combined.table, view.position.astype(np.float32), towards, sun, above, below,
            shadow.depth, shadow.matrix, shadow.blur, bias, noise_volume(), number, out,
        )  # fmt: skip
        uncovered += face < 0
    behind = still or backdrop(scene.surroundings, between, scene.light, _MOVING_BACKDROP_SAMPLES)
    add_backdrop(
        uncovered, behind.ambient, behind.direct, behind.place, behind.surface, shadow.depth, shadow.matrix,
        shadow.blur, bias, scene.contacts, out,
    )  # fmt: skip
    out /= len(_MOMENTS)
    return _labelled(combined, screen, out)


def _gather(posed: Sequence[Posed]) -> _CombinedMeshes:
    if not posed:
        empty, none = np.zeros((0, 3), np.float32), np.zeros(0, np.int32)
        flags = np.zeros(0, bool)
        vertices = np.zeros((2, 0, 3), np.float32)
        one = np.zeros(1, np.int32)
        triangles = np.zeros((0, 3), np.int32)
        return _CombinedMeshes(
            vertices, empty, empty, triangles, flags, none, none, none, np.zeros((1, 18), np.float32), one, one
        )
    meshes = [one.mesh for one in posed]
    vertex_starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)]).astype(np.int32)
    starts = np.cumsum([0, *(len(mesh.triangles) for mesh in meshes)]).astype(np.int32)
    materials = np.cumsum([0, *(len(one.materials) for one in posed)]).astype(np.int32)
    return _CombinedMeshes(
        vertices=np.concatenate([one.vertices for one in posed], 1),
        pattern_at=np.concatenate([mesh.pattern_at for mesh in meshes]),
        tint=np.concatenate([mesh.tint for mesh in meshes]),
        triangles=np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, vertex_starts)]),
        two_sided=np.concatenate([mesh.two_sided for mesh in meshes]),
        material=np.concatenate([mesh.material + start for mesh, start in zip(meshes, materials)]),
        part=np.concatenate([mesh.part for mesh in meshes]),
        owner=np.repeat(np.arange(len(posed), dtype=np.int32), np.diff(starts)),
        table=np.concatenate([one.materials for one in posed]),
        starts=starts,
        vertex_starts=vertex_starts,
    )


def _between(cameras: tuple[Camera, Camera], moment: float) -> Camera:
    """Return the camera at a moment of the exposure."""
    first, last = cameras
    axes = (1 - moment) * first.axes + moment * last.axes
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return Camera(
        position=(1 - moment) * first.position + moment * last.position,
        axes=axes,
        focal=(1 - moment) * first.focal + moment * last.focal,
        centre=(1 - moment) * first.centre + moment * last.centre,
        size=first.size,
    )


def _projected(
    combined: _CombinedMeshes, view: Camera, moment: float, place: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return all vertices [V, 3] at a moment, in the world and on the screen, so that `place` in each pixel is its
    middle."""
    x, y = view.centre + 0.5 - np.array(place)
    eye, axes = view.position.astype(np.float32), view.axes.astype(np.float32)
    first, last = combined.vertices
    return project(first, last, moment, eye, axes, view.focal, float(x), float(y))


def _faces(combined: _CombinedMeshes, screen: Floats, size: tuple[int, int]) -> Ints:
    depth, face = np.zeros(size, np.float32), np.full(size, -1, np.int32)
    draw_triangles(screen, combined.triangles, combined.two_sided, 0, depth, face)
    return face


def _labelled(combined: _CombinedMeshes, screen: Floats, light: Floats) -> Rendering:
    height, width = light.shape[:2]
    count = len(combined.starts) - 1
    face = _faces(combined, screen, (height, width))
    visible = np.zeros((count, PART_COUNT), np.int32)
    boxes = np.tile(np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32), (count, PART_COUNT, 1))
    tally_visible(face, combined.owner, combined.part, visible, boxes)
    whole = np.zeros_like(visible)
    whole_boxes = np.tile(np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32), (count, PART_COUNT, 1))
    share = np.zeros(count, np.float32)
    for number in range(count):
        rows = slice(combined.starts[number], combined.starts[number + 1])
        covered = np.zeros((2 * height, 2 * width), np.uint16)
        part = combined.part[rows]
        draw_parts(screen, combined.triangles[rows], combined.two_sided[rows], part, width // 2, height // 2, covered)
        total = tally_covered(covered, whole[number])
        share[number] = visible[number].sum() / total if total else 0.0
    stretch_boxes(screen, combined.triangles, combined.owner, combined.part, whole_boxes)
    seen = face >= 0
    owner = np.where(seen, combined.owner[face], -1) if count else np.full(face.shape, -1)
    part = np.where(seen, combined.part[face], -1) if count else np.full(face.shape, -1)
    return Rendering(
        light, owner.astype(np.int32), part.astype(np.int32), visible, whole, boxes, whole_boxes, np.minimum(share, 1)
    )
