"""Moving a mesh's vertices with its bones, and computing vertex normals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.surfaces.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@compiled
def skin(vertices: Floats, bone_index: Ints, bone_weight: Floats, transforms: Floats) -> Floats:
    """Return vertices moved by linear blend skinning: vertices [N, 3], bones and weights [N, 4], transforms [B, 3, 4] →
    [N, 3]."""
    out = np.zeros_like(vertices)
    for n in range(vertices.shape[0]):
        x, y, z = vertices[n, 0], vertices[n, 1], vertices[n, 2]
        for k in range(4):
            w = bone_weight[n, k]
            if w > 0:
                b = bone_index[n, k]
                for axis in range(3):
                    moved = transforms[b, axis, 0] * x + transforms[b, axis, 1] * y + transforms[b, axis, 2] * z
                    out[n, axis] += w * (moved + transforms[b, axis, 3])
    return out


@compiled
def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Return unit normals [N, 3] of vertices [N, 3]: the mean over their triangles [T, 3], weighted by area."""
    out = np.zeros_like(vertices)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            out[corner, 0] += nx
            out[corner, 1] += ny
            out[corner, 2] += nz
    for n in range(out.shape[0]):
        square = out[n, 0] * out[n, 0] + out[n, 1] * out[n, 1] + out[n, 2] * out[n, 2]
        if square > 0:
            inverse = np.float32(1.0) / np.sqrt(square)
            for axis in range(3):
                out[n, axis] *= inverse
    return out
