"""Painting the surroundings as a camera sees them, and the shadows of people and objects on them.

A `Backdrop` can be used for a whole clip if the camera does not move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.camera import Camera
from training.synthetic.rendering.light import Light
from training.synthetic.rendering.shading import SAMPLE_PLACES, hashed, noise, noise_volume, sun_share
from training.synthetic.rendering.surfaces.compiled import compiled
from training.synthetic.rendering.surfaces.materials import Floats
from training.synthetic.rendering.surroundings import (
    BRICKS,
    CHECKER,
    CLUTTER,
    GRASS,
    LINES,
    PLANKS,
    SMOOTH,
    WINDOWS,
    Surroundings,
)


@compiled
def _texture_at(kind, u, v, cell_u, cell_v, joint, phase, detail, volume):
    """Return a texture's share of the second colour and its brightness factor at (u, v). `detail` in [0, 1] fades
    details that are too small to be seen."""
    share, bright = 0.0, 1.0
    if kind == GRASS:
        a = noise(volume, u * 3.0, v * 3.0, phase * 31.0, 0)
        b = noise(volume, u * 19.0, v * 19.0, phase * 31.0, 1)
        share = min(1.0, max(0.0, 0.5 + 0.25 * a + 0.45 * b * detail))
    elif kind != SMOOTH:
        row = np.floor(v / cell_v)
        shift = 0.0
        if kind == BRICKS:
            shift = 0.5 * (int(row) & 1)
        elif kind == PLANKS:
            shift = hashed(int(row), 7, 3)
        a = u / cell_u + shift
        column = np.floor(a)
        fu, fv = a - column, v / cell_v - row
        tone = hashed(int(column), int(row), int(phase * 1000))
        if kind == CHECKER:
            share = detail * ((int(column) + int(row)) & 1) + (1 - detail) * 0.5
        elif kind == WINDOWS:
            inside = abs(fu - 0.5) < 0.5 * joint + 0.1 and abs(fv - 0.5) < 0.5 * joint + 0.05
            share = (1.0 if inside else 0.0) * detail + (1 - detail) * joint * joint
            bright = 0.8 + 0.4 * tone if inside else 1.0
        elif kind == CLUTTER:
            inside = abs(fu - 0.5) < 0.5 * (0.3 + 0.7 * joint) and fv > 0.15 + 0.6 * tone
            share = (1.0 if inside else 0.0) * detail + (1 - detail) * 0.4
            bright = 0.4 + 1.6 * hashed(int(column), int(row), 11)
        else:
            line_u = joint * min(1.0, cell_v / cell_u)
            inside = fu < line_u or fv < joint
            if kind == PLANKS:
                inside = fv < joint
            share = (1.0 if inside else 0.0) * detail + (1 - detail) * joint
            bright = 0.85 + 0.3 * tone * detail + 0.15 * (1 - detail) if kind != LINES else 1.0
            if kind == PLANKS:
                bright *= 1.0 + 0.12 * detail * noise(volume, u * 3.0, v * 40.0, tone * 30.0, 2)
    return share, bright


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """Surroundings as one camera sees them, without people and objects.

    `ambient` and `direct` [H, W, 3]: light from all around and from the sun; `place` [H, W, 3]: each pixel's place in
    the world; `surface` [H, W]: −1 for sky, 0 for the ground, 1 for everything else. It is valid as long as neither the
    camera nor the light moves.
    """

    ambient: Floats
    direct: Floats
    place: Floats
    surface: NDArray[np.int8]


def backdrop(surroundings: Surroundings, camera: Camera, light: Light, samples: int = 4) -> Backdrop:
    """Paint the surroundings for a camera; each pixel is the mean of `samples` (at most 4) places in it."""
    width, height = camera.size
    out = Backdrop(
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width), np.int8),
    )
    eye, axes = camera.position.astype(np.float32), camera.axes.astype(np.float32)
    towards, sun, above, below = (
        np.asarray(value, np.float32) for value in (light.towards, light.sun, light.above, light.below)
    )
    for number, (x, y) in enumerate(SAMPLE_PLACES[:samples]):
        _paint(
            surroundings.planes, surroundings.zenith, surroundings.horizon, surroundings.clouds, eye, axes,
            camera.focal, float(camera.centre[0]) - x, float(camera.centre[1]) - y, towards, sun, above, below,
            noise_volume(), 1.0 / samples, number == 0, out.ambient, out.direct, out.place, out.surface,
        )  # fmt: skip
    return out


@compiled
def _paint(
    planes: Floats,
    zenith: Floats,
    horizon: Floats,
    clouds: float,
    eye: Floats,
    axes: Floats,
    focal: float,
    centre_x: float,
    centre_y: float,
    towards: Floats,
    sun: Floats,
    above: Floats,
    below: Floats,
    volume: Floats,
    weight: float,
    first: bool,
    ambient: Floats,
    direct: Floats,
    place: Floats,
    surface: NDArray[np.int8],
) -> None:
    """Add one sample, times `weight`, to the arrays of a backdrop. The `first` sample also sets `place` and
    `surface`."""
    height, width = surface.shape
    for row in range(height):
        for column in range(width):
            sx = (column - centre_x) / focal
            sy = -(row - centre_y) / focal
            dx = axes[2, 0] + sx * axes[0, 0] + sy * axes[1, 0]
            dy = axes[2, 1] + sx * axes[0, 1] + sy * axes[1, 1]
            dz = axes[2, 2] + sx * axes[0, 2] + sy * axes[1, 2]
            nearest, p = 1e9, -1
            u, v = 0.0, 0.0
            for q in range(planes.shape[0]):
                slope = dx * planes[q, 3] + dy * planes[q, 4] + dz * planes[q, 5]
                if slope >= -1e-6:
                    continue
                gap = (
                    (planes[q, 0] - eye[0]) * planes[q, 3]
                    + (planes[q, 1] - eye[1]) * planes[q, 4]
                    + (planes[q, 2] - eye[2]) * planes[q, 5]
                )
                t = gap / slope
                if t <= 0 or t >= nearest:
                    continue
                x, y, z = eye[0] + t * dx - planes[q, 0], eye[1] + t * dy - planes[q, 1], eye[2] + t * dz - planes[q, 2]
                a = x * planes[q, 6] + y * planes[q, 7] + z * planes[q, 8]
                vx = planes[q, 4] * planes[q, 8] - planes[q, 5] * planes[q, 7]
                vy = planes[q, 5] * planes[q, 6] - planes[q, 3] * planes[q, 8]
                vz = planes[q, 3] * planes[q, 7] - planes[q, 4] * planes[q, 6]
                b = x * vx + y * vy + z * vz
                if a < planes[q, 9] or a > planes[q, 10] or b < planes[q, 11] or b > planes[q, 12]:
                    continue
                nearest, p, u, v = t, q, a, b
            away = np.sqrt(dx * dx + dy * dy + dz * dz)
            if p < 0:
                level = dy / away
                rise = min(1.0, max(0.0, level * 2.2))
                cloud = 0.0
                if clouds > 0 and level > 0.02:
                    a, b = dx / (level + 0.1) * 2, dz / (level + 0.1) * 2
                    cloud = noise(volume, a, b, 3.5, 0) + 0.5 * noise(volume, a * 2.7, b * 2.7, 9.5, 1)
                    cloud = min(1.0, max(0.0, cloud * 0.5 + clouds - 0.4)) * min(1.0, level * 5)
                for channel in range(3):
                    colour = horizon[channel] + rise * (zenith[channel] - horizon[channel])
                    ambient[row, column, channel] += weight * (colour + cloud * (0.85 - colour))
                if first:
                    surface[row, column] = -1
                continue
            if first:
                surface[row, column] = 0 if p == 0 else 1
                place[row, column, 0] = eye[0] + nearest * dx
                place[row, column, 1] = eye[1] + nearest * dy
                place[row, column, 2] = eye[2] + nearest * dz
            nx, ny, nz = planes[p, 3], planes[p, 4], planes[p, 5]
            slant = -(dx * nx + dy * ny + dz * nz) / away
            footprint = nearest / focal / max(slant, 0.02)
            kind = int(planes[p, 13])
            detail = min(1.0, max(0.0, 1.5 - 3.0 * footprint / min(planes[p, 14], planes[p, 15])))
            if kind == GRASS:
                detail = min(1.0, max(0.0, 1.5 - 20.0 * footprint))
            phase = planes[p, 24]
            share, bright = _texture_at(kind, u, v, planes[p, 14], planes[p, 15], planes[p, 22], phase, detail, volume)
            grain = 0.6 * noise(volume, u * 0.7, v * 0.7, phase * 31, 0)
            grain += 0.25 * noise(volume, u * 4.1, v * 4.1, phase * 17, 1)
            fine = min(1.0, max(0.0, 1.2 - 14.0 * footprint))
            if fine > 0:
                grain += 0.35 * fine * noise(volume, u * 25.0, v * 25.0, phase * 11, 2)
            bright *= weight * max(0.1, 1.0 + planes[p, 23] * grain)
            facing = max(0.0, nx * towards[0] + ny * towards[1] + nz * towards[2])
            up = 0.5 + 0.5 * ny
            for channel in range(3):
                colour = planes[p, 16 + channel] + share * (planes[p, 19 + channel] - planes[p, 16 + channel])
                ambient[row, column, channel] += (
                    colour * bright * (below[channel] + up * (above[channel] - below[channel]))
                )
                direct[row, column, channel] += colour * bright * sun[channel] * facing


@compiled
def add_backdrop(
    uncovered: Floats,
    ambient: Floats,
    direct: Floats,
    place: Floats,
    surface: NDArray[np.int8],
    shadow: Floats,
    shadow_matrix: Floats,
    shadow_blur: float,
    shadow_bias: float,
    contacts: Floats,
    out: Floats,
) -> None:
    """Add a backdrop, with shadows on it (`light.ShadowMap`), to `out` [H, W, 3].

    `uncovered` [H, W] is the share of each pixel that nothing else covers. `contacts` [K, 4] are places near the ground
    that darken it: x, z, radius in metres, strength.
    """
    height, width = surface.shape
    for row in range(height):
        for column in range(width):
            share = uncovered[row, column]
            if share <= 0:
                continue
            sunny, open_share = 1.0, 1.0
            if surface[row, column] >= 0:
                x, y, z = place[row, column, 0], place[row, column, 1], place[row, column, 2]
                seed = hashed(column, row, 0)
                sunny = sun_share(shadow, shadow_matrix, shadow_blur, shadow_bias, x, y, z, seed)
                if surface[row, column] == 0:
                    for k in range(contacts.shape[0]):
                        ox, oz = x - contacts[k, 0], z - contacts[k, 1]
                        near = (ox * ox + oz * oz) / (contacts[k, 2] * contacts[k, 2])
                        if near < 6:
                            open_share *= 1 - contacts[k, 3] * np.exp(-near)
            for channel in range(3):
                light = open_share * ambient[row, column, channel] + sunny * direct[row, column, channel]
                out[row, column, channel] += share * light
