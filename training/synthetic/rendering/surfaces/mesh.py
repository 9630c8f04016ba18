"""A mesh for the renderer, and operations that turn layers of the body into such meshes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangle mesh. `vertices` [N, 3] before posing, in metres; `pattern_at` [N, 3]: where each vertex takes its
    pattern from; `tint` [N, 3] multiplies the material's colour; `triangles` [T, 3]; `two_sided` [T]; `material`,
    `part` [T]: numbers."""

    vertices: Floats
    pattern_at: Floats
    tint: Floats
    triangles: Ints
    two_sided: Flags
    material: Ints
    part: Ints


def triangles_of(quads: Ints) -> Ints:
    """Return quads [F, 4] as triangles [2F, 3]; those of quad f are rows f and F + f."""
    return np.ascontiguousarray(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), np.int32)


def joined(meshes: list[Mesh]) -> Mesh:
    """Return the meshes as one, in their order."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        pattern_at=np.concatenate([mesh.pattern_at for mesh in meshes]),
        tint=np.concatenate([mesh.tint for mesh in meshes]),
        triangles=np.concatenate(
            [mesh.triangles + np.int32(start) for mesh, start in zip(meshes, starts, strict=True)]
        ),
        two_sided=np.concatenate([mesh.two_sided for mesh in meshes]),
        material=np.concatenate([mesh.material for mesh in meshes]),
        part=np.concatenate([mesh.part for mesh in meshes]),
    )


def smoothed(vertices: Floats, quads: Ints, times: int) -> Floats:
    """Move each vertex [N, 3] half-way to the mean of its neighbours along the edges of quads [F, 4], `times` times."""
    first = np.concatenate([quads[:, corner] for corner in range(4)])
    second = np.concatenate([quads[:, (corner + 1) % 4] for corner in range(4)])
    ends, others = np.concatenate([first, second]), np.concatenate([second, first])
    count = np.bincount(ends, minlength=len(vertices))
    out = vertices.astype(np.float64)
    for _ in range(times):
        total = np.stack([np.bincount(ends, out[others, axis], len(vertices)) for axis in range(3)], -1)
        out = np.where(count[:, None] > 0, 0.5 * out + 0.5 * total / np.maximum(count, 1)[:, None], out)
    return out.astype(np.float32)


def compacted(quads: Ints) -> tuple[Ints, Ints]:
    """Return the vertices that quads [F, 4] use, ascending, and the quads renumbered for them."""
    used, numbers = np.unique(quads, return_inverse=True)
    return used.astype(np.int32), numbers.reshape(quads.shape).astype(np.int32)


def clustered(mesh: Mesh, cell: float) -> tuple[Mesh, Ints]:
    """Return a coarser mesh, and which vertices [n] it keeps.

    Vertices of one material within a cube of `cell` metres become one; triangles that collapse are left out.
    """
    material = np.zeros(len(mesh.vertices), np.int64)
    material[mesh.triangles.ravel()] = np.repeat(mesh.material, 3)
    keys = np.concatenate([np.floor(mesh.vertices / cell).astype(np.int64), material[:, None]], 1)
    _, first, cluster = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    corners = first[cluster.ravel()][mesh.triangles]
    whole = (corners != np.roll(corners, 1, 1)).all(1)
    used, numbers = np.unique(corners[whole], return_inverse=True)
    out = Mesh(
        mesh.vertices[used],
        mesh.pattern_at[used],
        mesh.tint[used],
        np.ascontiguousarray(numbers.reshape(-1, 3), np.int32),
        mesh.two_sided[whole],
        mesh.material[whole],
        mesh.part[whole],
    )
    return out, used.astype(np.int32)
