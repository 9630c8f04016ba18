"""Simple solids as meshes, of which objects are composed. Lengths are in metres."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.surfaces.mesh import Mesh, triangles_of

Array = NDArray[np.float64]


def quad_mesh(vertices: Array, quads: Array, material: int = 0, two_sided: bool = False) -> Mesh:
    """Return a mesh of vertices [N, 3] and quads [F, 4], anticlockwise from outside; its pattern follows its own
    axes."""
    points = np.ascontiguousarray(vertices, np.float32)
    triangles = triangles_of(np.asarray(quads, np.int32))
    count = len(triangles)
    return Mesh(
        points,
        points.copy(),
        np.ones_like(points),
        triangles,
        np.full(count, two_sided),
        np.full(count, material, np.int32),
        np.zeros(count, np.int32),
    )


def lathe(profile: Sequence[tuple[float, float]], material: int = 0, segments: int = 20) -> Mesh:
    """Return a solid of revolution about z. `profile` lists (radius, z) with z ascending; corners are sharp."""
    # Each section of the profile has its own two rings, so that edges stay sharp.
    rings = [point for first, second in itertools.pairwise(profile) for point in (first, second)]
    angle = np.arange(segments) * (2 * np.pi / segments)
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    vertices = np.concatenate([np.concatenate([radius * circle, np.full((segments, 1), z)], 1) for radius, z in rings])
    quads = []
    for ring in range(0, len(rings), 2):
        for k in range(segments):
            a, b = ring * segments + k, ring * segments + (k + 1) % segments
            quads.append((a, b, b + segments, a + segments))
    return quad_mesh(vertices, np.array(quads), material)


def ball(radius: float, material: int = 0, rings: int = 12) -> Mesh:
    """Return a ball around the origin."""
    angle = np.linspace(0, np.pi, rings + 1)
    segments = 2 * rings
    around = np.arange(segments) * (2 * np.pi / segments)
    vertices = np.array(
        [
            (np.sin(a) * np.cos(b) * radius, np.sin(a) * np.sin(b) * radius, -np.cos(a) * radius)
            for a in angle
            for b in around
        ]
    )
    quads = [
        (r * segments + k, r * segments + (k + 1) % segments, (r + 1) * segments + (k + 1) % segments,
         (r + 1) * segments + k)
        for r in range(rings)
        for k in range(segments)
    ]  # fmt: skip
    return quad_mesh(vertices, np.array(quads), material)


def cuboid(low: Sequence[float] | Array, high: Sequence[float] | Array, material: int = 0) -> Mesh:
    """Return a box between two corners."""
    corners = np.stack([np.asarray(low, np.float64), np.asarray(high, np.float64)])
    vertices, quads = [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (0, 1):
            face = []
            for du, dv in ((0, 0), (1, 0), (1, 1), (0, 1)):
                point = np.empty(3)
                point[axis], point[u], point[v] = corners[side, axis], corners[du, u], corners[dv, v]
                face.append(point)
            start = len(vertices)
            vertices += face if side else face[::-1]
            quads.append((start, start + 1, start + 2, start + 3))
    return quad_mesh(np.array(vertices), np.array(quads), material)


def tube(path: Array, radius: float, material: int = 0, segments: int = 8) -> Mesh:
    """Return a round cord along `path` [K, 3]."""
    vertices, quads = tube_vertices(path, radius, segments), []
    for ring in range(len(path) - 1):
        for k in range(segments):
            a, b = ring * segments + k, ring * segments + (k + 1) % segments
            quads.append((a, a + segments, b + segments, b))
    return quad_mesh(vertices, np.array(quads), material, two_sided=True)


def tube_vertices(path: Array, radius: float, segments: int = 8) -> Array:
    """Return the vertices [K · segments, 3] of `tube`, for a cord that changes its shape."""
    along = np.gradient(np.asarray(path, np.float64), axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(along[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    side = np.cross(along, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, along)
    angle = np.arange(segments) * (2 * np.pi / segments)
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    return (np.asarray(path)[:, None] + radius * ring).reshape(-1, 3)


def turned(mesh: Mesh, matrix: Array, shift: Sequence[float] = (0.0, 0.0, 0.0)) -> Mesh:
    """Return the mesh rotated by `matrix` [3, 3], then shifted."""
    vertices = (mesh.vertices @ np.asarray(matrix).T + np.array(shift)).astype(np.float32)
    return replace(mesh, vertices=vertices, pattern_at=vertices.copy())
