"""Light: a distant sun or lamp, ambient light, and the shadows of people and objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.raster import draw_triangles
from training.synthetic.rendering.surfaces.mesh import Flags, Floats, Ints

Array = NDArray[np.float64]

SHADOW_SIZE = 320
"""Side of the shadow map in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """The light of a scene, linear. `towards` [3]: unit direction to the sun or lamp; `sun` [3]: its light; `above` and
    `below` [3]: ambient light from the sky or ceiling and from the ground; `blur`: softness of shadows in metres."""

    towards: Array
    sun: Array
    above: Array
    below: Array
    blur: float


@dataclass(frozen=True, slots=True, eq=False)
class ShadowMap:
    """The surface nearest to the light, for one frame. `depth` [S, S]: larger is nearer to the light; `matrix` [3, 4]
    takes world points to its columns, rows and depth; `blur` in its pixels."""

    depth: Floats
    matrix: Floats
    blur: float


def shadow_map(light: Light, vertices: NDArray[np.float32], triangles: Ints) -> ShadowMap:
    """Draw the shadow map of everything that casts shadows: vertices [V, 3] in the world, triangles [T, 3]."""
    forward = -light.towards / np.linalg.norm(light.towards)
    side = np.cross(forward, np.array([0.0, 1.0, 0.0]) if abs(forward[1]) < 0.9 else np.array([1.0, 0.0, 0.0]))
    side = side / np.linalg.norm(side)
    axes = np.stack([side, np.cross(side, forward), -forward])
    depth = np.zeros((SHADOW_SIZE, SHADOW_SIZE), np.float32)
    if not len(triangles):
        return ShadowMap(depth, np.zeros((3, 4), np.float32), 0.0)
    seen = vertices @ axes.T.astype(np.float32)
    low, high = seen.min(0), seen.max(0)
    extent = max(float(high[0] - low[0]), float(high[1] - low[1]), 0.1) + 4 * light.blur
    scale = (SHADOW_SIZE - 4) / extent
    middle = (low + high) / 2
    matrix = np.zeros((3, 4))
    matrix[0, :3], matrix[1, :3] = axes[0] * scale, axes[1] * scale
    matrix[:2, 3] = SHADOW_SIZE / 2 - middle[:2] * scale
    # Everything that casts shadows has depths in (1, 2), so that it is nearer to the light than empty places (0).
    span = max(float(high[2] - low[2]), 0.1)
    matrix[2, :3], matrix[2, 3] = axes[2] / span, 1 - low[2] / span
    texels = (vertices @ matrix[:, :3].T.astype(np.float32) + matrix[:, 3]).astype(np.float32)
    sides: Flags = np.ones(len(triangles), bool)
    face = np.full(depth.shape, -1, np.int32)
    draw_triangles(texels, triangles, sides, 0, depth, face)
    return ShadowMap(depth, matrix.astype(np.float32), float(light.blur * scale))
