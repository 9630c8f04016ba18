"""The surroundings of people: ground, walls, ceiling and sky, with textures made from formulas and noise.

`draw_surroundings` draws a room or a street from a seed; `training.synthetic.rendering.backdrop` paints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.surfaces.materials import Colour, Floats, Rng

Array = NDArray[np.float64]

SMOOTH, TILES, BRICKS, PLANKS, CHECKER, GRASS, WINDOWS, CLUTTER, LINES = range(9)
"""Textures. WINDOWS have the second colour as windows in a wall; CLUTTER stands for shelves, posters and parked
vehicles; LINES are road markings."""

# Columns of a packed plane: place, extent, texture.
(
    POINT, NORMAL, ACROSS, REACH, TEXTURE, CELL_U, CELL_V, FIRST, SECOND, JOINT, GRAIN, PHASE, COLUMNS
) = 0, 3, 6, 9, 13, 14, 15, 16, 19, 22, 23, 24, 25  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plane:
    """A flat textured surface through `point` with the unit `normal`; `across` is its unit u axis, v = normal × u.
    `reach`: u0, u1, v0, v1 in metres from the point. `cell`: size of the texture's cells; `joint`: share of a cell with
    the second colour; `grain`: variation of brightness."""

    point: tuple[float, float, float]
    normal: tuple[float, float, float]
    across: tuple[float, float, float]
    reach: tuple[float, float, float, float]
    texture: int
    cell: tuple[float, float]
    first: Colour
    second: Colour
    joint: float = 0.04
    grain: float = 0.15
    phase: float = 0.0

    def row(self) -> list[float]:
        return [
            *self.point,
            *self.normal,
            *self.across,
            *self.reach,
            float(self.texture),
            *self.cell,
            *self.first,
            *self.second,
            self.joint,
            self.grain,
            self.phase,
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """A room or street. `planes` [P, COLUMNS], the ground first. `zenith`, `horizon` [3]: colours of the sky; `clouds`
    in [0, 1]."""

    planes: Floats
    zenith: Floats
    horizon: Floats
    clouds: float
    indoors: bool


def pack_planes(planes: Sequence[Plane]) -> Floats:
    return np.array([plane.row() for plane in planes], np.float32).reshape(-1, COLUMNS)


def _grey(rng: Rng, low: float, high: float, tint: float = 0.08) -> Colour:
    value = rng.uniform(low, high)
    r, g, b = np.clip(value * rng.normal(1, tint, 3), 0.01, 0.95)
    return float(r), float(g), float(b)


def _strong(rng: Rng) -> Colour:
    # Paint is rarely as saturated as a display's primary colours.
    r, g, b = np.mean(rng.uniform(0.03, 0.7, 4)) * 0.35 + 0.65 * rng.uniform(0.03, 0.6, 3)
    return float(r), float(g), float(b)


def _texture(rng: Rng, choices: Sequence[int]) -> tuple[int, tuple[float, float], float]:
    """Draw one of the textures, with its cell and joint."""
    kind = int(rng.choice(choices))
    if kind == TILES:
        side = rng.uniform(0.2, 1.2)
        return kind, (side, side * rng.choice([1.0, 1.0, 2.0])), rng.uniform(0.01, 0.05)
    if kind == BRICKS:
        return kind, (rng.uniform(0.2, 0.6), rng.uniform(0.07, 0.25)), rng.uniform(0.05, 0.15)
    if kind == PLANKS:
        return kind, (rng.uniform(0.8, 2.0), rng.uniform(0.08, 0.25)), rng.uniform(0.01, 0.06)
    if kind == CHECKER:
        side = rng.uniform(0.3, 1.0)
        return kind, (side, side), 0.0
    if kind == WINDOWS:
        return kind, (rng.uniform(1.2, 3.5), rng.uniform(2.4, 3.6)), rng.uniform(0.3, 0.7)
    if kind == CLUTTER:
        return kind, (rng.uniform(0.2, 1.2), rng.uniform(0.3, 1.2)), rng.uniform(0.2, 0.9)
    if kind == LINES:
        return kind, (rng.uniform(2.0, 6.0), rng.uniform(2.0, 6.0)), rng.uniform(0.02, 0.05)
    return kind, (1.0, 1.0), 0.0


def draw_surroundings(rng: Rng, centre: Array, camera: Array, radius: float) -> Surroundings:
    """Draw a place for people within `radius` metres of `centre` [3], seen from `camera` [3]. No wall stands between
    them."""
    indoors = bool(rng.random() < 0.5)
    if indoors:
        kind, cell, joint = _texture(rng, [SMOOTH, TILES, PLANKS, PLANKS, CHECKER, TILES])
    else:
        kind, cell, joint = _texture(rng, [SMOOTH, SMOOTH, GRASS, GRASS, TILES, BRICKS, LINES])
    first, second = _grey(rng, 0.08, 0.6), _grey(rng, 0.05, 0.7)
    if kind == PLANKS:
        brown = np.array([0.45, 0.27, 0.14]) * rng.uniform(0.4, 1.4)
        first, second = tuple(brown.tolist()), tuple((brown * 0.4).tolist())
    elif kind == GRASS:
        green = np.array([0.12, 0.22, 0.05]) * rng.uniform(0.5, 1.6) * rng.normal(1, 0.15, 3)
        first, second = tuple(green.tolist()), tuple((green * rng.uniform(0.4, 0.9) + 0.03).tolist())
    elif kind == SMOOTH and rng.random() < 0.15:
        first = _strong(rng)
    far = 400.0
    planes = [
        Plane(
            (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (-far, far, -far, far),
            kind, cell, first, second, joint, rng.uniform(0.05, 0.35), rng.random(),
        )
    ]  # fmt: skip
    away = centre - camera
    bearing = float(np.arctan2(away[2], away[0]))
    top = rng.uniform(2.4, 4.5) if indoors else rng.uniform(3.0, 18.0)
    if indoors:
        top = max(top, float(camera[1]) + 0.2)
    reach_back = float(np.hypot(away[0], away[2])) + radius + 1.0
    turn = bearing + rng.uniform(-0.5, 0.5)
    for side in range(4 if indoors else int(rng.integers(0, 3))):
        # Walls face the scene: one behind it, two beside it, and in rooms one behind the camera.
        angle = turn + (0.0, 1.57, -1.57, 3.14)[side]
        outwards = np.array([np.cos(angle), 0.0, np.sin(angle)])
        distance = radius + rng.uniform(0.6, 4.0 if indoors else 25.0)
        distance = max(distance, float((camera - centre) @ outwards) + 0.7)
        if side == 3:
            distance = max(distance, reach_back)
        kind, cell, joint = _texture(
            rng,
            [SMOOTH, SMOOTH, SMOOTH, CLUTTER, BRICKS, PLANKS, TILES]
            if indoors
            else [BRICKS, WINDOWS, WINDOWS, CLUTTER],
        )
        point = centre + outwards * distance
        normal = -outwards
        planes.append(
            Plane(
                (float(point[0]), 0.0, float(point[2])),
                (float(normal[0]), 0.0, float(normal[2])),
                (float(-normal[2]), 0.0, float(normal[0])),
                (-60.0, 60.0, -top, 0.0) if indoors else (-rng.uniform(5, 40), rng.uniform(5, 40), -top, 0.0),
                kind,
                cell,
                _grey(rng, 0.15, 0.8) if rng.random() < 0.75 else _strong(rng),
                _grey(rng, 0.02, 0.5),
                joint,
                rng.uniform(0.03, 0.25),
                rng.random(),
            )
        )
    if indoors:
        kind, cell, joint = _texture(rng, [SMOOTH, TILES])
        planes.append(
            Plane(
                (0.0, top, 0.0),
                (0.0, -1.0, 0.0),
                (1.0, 0.0, 0.0),
                (-far, far, -far, far),
                kind,
                cell,
                _grey(rng, 0.4, 0.85, 0.03),
                _grey(rng, 0.2, 0.8),
                joint,
                0.05,
                rng.random(),
            )
        )
    overcast = rng.random() < 0.4
    blue = np.array([0.25, 0.45, 0.85]) if not overcast else np.array([0.6, 0.65, 0.7])
    zenith = blue * rng.uniform(0.5, 1.2)
    horizon = zenith + rng.uniform(0.4, 0.9) * (np.array([0.9, 0.92, 0.95]) - zenith)
    return Surroundings(
        pack_planes(planes),
        zenith.astype(np.float32),
        horizon.astype(np.float32),
        float(rng.uniform(0, 1)),
        indoors,
    )
