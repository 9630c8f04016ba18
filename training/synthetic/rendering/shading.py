"""Colouring pixels: patterns, wrinkles, light and shadow on the visible surfaces."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.surfaces import materials as m
from training.synthetic.rendering.surfaces.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

NOISE_SIZE = 32
SAMPLE_PLACES = ((0.125, 0.625), (0.625, 0.875), (0.375, 0.125), (0.875, 0.375))
"""Places of the samples within a pixel: x, y."""
_TAPS = 5
"""Places at which the shadow map is read for one pixel."""
_TAP_PLACES = np.stack(
    [
        np.sqrt((np.arange(_TAPS) + 0.5) / _TAPS) * np.cos(2.3999632 * np.arange(_TAPS)),
        np.sqrt((np.arange(_TAPS) + 0.5) / _TAPS) * np.sin(2.3999632 * np.arange(_TAPS)),
    ],
    -1,
).astype(np.float32)
SHADOW_BIAS = 0.012
"""Depth in metres within which a surface does not shadow itself."""


@functools.cache
def noise_volume() -> Floats:
    """Return smooth periodic noise [S, S, S, 3] of about unit variance, always the same."""
    rng = np.random.default_rng(20)
    volume = rng.standard_normal((NOISE_SIZE, NOISE_SIZE, NOISE_SIZE, 3))
    for axis in range(3):
        volume = 0.5 * volume + 0.25 * (np.roll(volume, 1, axis) + np.roll(volume, -1, axis))
    return (volume / volume.std()).astype(np.float32)


@compiled
def noise(volume, x, y, z, channel):
    """Return one channel of the noise at a point, interpolated; a cell is 1 wide."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    ix, iy, iz = int(fx) & 31, int(fy) & 31, int(fz) & 31
    jx, jy, jz = (ix + 1) & 31, (iy + 1) & 31, (iz + 1) & 31
    tx, ty, tz = x - fx, y - fy, z - fz
    a = volume[ix, iy, iz, channel] * (1 - tz) + volume[ix, iy, jz, channel] * tz
    b = volume[ix, jy, iz, channel] * (1 - tz) + volume[ix, jy, jz, channel] * tz
    c = volume[jx, iy, iz, channel] * (1 - tz) + volume[jx, iy, jz, channel] * tz
    d = volume[jx, jy, iz, channel] * (1 - tz) + volume[jx, jy, jz, channel] * tz
    return (a * (1 - ty) + b * ty) * (1 - tx) + (c * (1 - ty) + d * ty) * tx


@compiled
def noises(volume, x, y, z):
    """Return all three channels of the noise at a point."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    ix, iy, iz = int(fx) & 31, int(fy) & 31, int(fz) & 31
    tx, ty, tz = x - fx, y - fy, z - fz
    a, b, c = 0.0, 0.0, 0.0
    for corner in range(8):
        dx, dy, dz = corner >> 2, (corner >> 1) & 1, corner & 1
        weight = (tx if dx else 1 - tx) * (ty if dy else 1 - ty) * (tz if dz else 1 - tz)
        jx, jy, jz = (ix + dx) & 31, (iy + dy) & 31, (iz + dz) & 31
        a += weight * volume[jx, jy, jz, 0]
        b += weight * volume[jx, jy, jz, 1]
        c += weight * volume[jx, jy, jz, 2]
    return a, b, c


@compiled
def sun_share(shadow, matrix, blur, span_bias, x, y, z, seed):
    """Return the share of the sun's light that reaches a point, from the shadow map at a few places around it."""
    u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
    v = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
    d = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3] + span_bias
    size = shadow.shape[0]
    if u < -blur or v < -blur or u > size + blur or v > size + blur:
        return 1.0
    cosine, sine = blur * np.cos(seed * 6.2831853), blur * np.sin(seed * 6.2831853)
    free = 0
    for tap in range(_TAPS):
        a, b = _TAP_PLACES[tap, 0], _TAP_PLACES[tap, 1]
        row, column = int(v + sine * a + cosine * b), int(u + cosine * a - sine * b)
        if row < 0 or column < 0 or row >= size or column >= size or shadow[row, column] <= d:
            free += 1
    return free / _TAPS


@compiled
def hashed(x, y, k):
    """Return a number in [0, 1) that differs between pixels and between samples."""
    h = (x * 374761393 + y * 668265263 + k * 974634777) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) / 16777216.0


@compiled
def _second_share(table, k, volume, x, y, z, front):
    """Return the share of a material's second colour at a point of its rest pose."""
    if table[k, m.PRINT_HEIGHT] > 0 and front > 0.3:
        ry = abs(y - table[k, m.PRINT_Y]) / table[k, m.PRINT_HEIGHT]
        rz = abs(z - table[k, m.PRINT_Z]) / table[k, m.PRINT_WIDTH]
        if ry < 1 and rz < 1 and (y * 90 + table[k, m.PHASE]) % 2.0 > 0.55:
            return 1.0
    kind, frequency, share, phase = (
        int(table[k, m.PATTERN]),
        table[k, m.FREQUENCY],
        table[k, m.SHARE],
        table[k, m.PHASE],
    )
    if kind == m.PLAIN:
        return 0.0
    if kind == m.STRIPES_ACROSS:
        return 1.0 if (y * frequency + phase) % 1.0 < share else 0.0
    if kind == m.STRIPES_DOWN:
        return 1.0 if ((z + 0.6 * x) * frequency + phase) % 1.0 < share else 0.0
    if kind == m.CHECKS:
        a = 0.5 if (y * frequency + phase) % 1.0 < share else 0.0
        return a + (0.5 if ((z + 0.6 * x) * frequency + phase) % 1.0 < share else 0.0)
    if kind == m.DOTS:
        a, b = (y * frequency) % 1.0 - 0.5, ((z + 0.6 * x) * frequency) % 1.0 - 0.5
        return 1.0 if a * a + b * b < 0.12 * share + 0.02 else 0.0
    if kind == m.BLOTCHES:
        return 1.0 if noise(volume, x * frequency, y * frequency, z * frequency, 0) > 0.7 - share else 0.0
    if kind == m.TWO_TONE:
        return 1.0 if y > share else 0.0
    return 1.0 if abs(y - share) < frequency * 0.5 or abs(y - share - 0.14) < frequency * 0.5 else 0.0  # BANDS


@compiled
def shade_surfaces(
    face: Ints,
    screen: Floats,
    world: Floats,
    normals: Floats,
    pattern_at: Floats,
    tint: Floats,
    triangles: Ints,
    material: Ints,
    table: Floats,
    eye: Floats,
    towards: Floats,
    sun: Floats,
    above: Floats,
    below: Floats,
    shadow: Floats,
    shadow_matrix: Floats,
    shadow_blur: float,
    shadow_bias: float,
    volume: Floats,
    sample: int,
    out: Floats,
) -> None:
    """Add the light of every pixel that shows a triangle (`face` [H, W] ≥ 0) to `out` [H, W, 3].

    `screen`, `world`, `normals`, `pattern_at`, `tint` [V, 3] belong to vertices; `triangles` [T, 3], `material` [T] to
    triangles; `table` [M, C] holds packed materials; `eye` [3] is the camera's position. The rest is the light
    (`light.Light`, `light.ShadowMap`), the noise and the number of this sample.
    """
    height, width = face.shape
    for row in range(height):
        for column in range(width):
            t = face[row, column]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            px, py = column + 0.5, row + 0.5
            ax, ay = screen[a, 0], screen[a, 1]
            bx, by = screen[b, 0], screen[b, 1]
            cx, cy = screen[c, 0], screen[c, 1]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            u = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) / area * screen[a, 2]
            v = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) / area * screen[b, 2]
            w = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)) / area * screen[c, 2]
            total = u + v + w
            u, v, w = u / total, v / total, w / total
            x = u * world[a, 0] + v * world[b, 0] + w * world[c, 0]
            y = u * world[a, 1] + v * world[b, 1] + w * world[c, 1]
            z = u * world[a, 2] + v * world[b, 2] + w * world[c, 2]
            qx = u * pattern_at[a, 0] + v * pattern_at[b, 0] + w * pattern_at[c, 0]
            qy = u * pattern_at[a, 1] + v * pattern_at[b, 1] + w * pattern_at[c, 1]
            qz = u * pattern_at[a, 2] + v * pattern_at[b, 2] + w * pattern_at[c, 2]
            nx = u * normals[a, 0] + v * normals[b, 0] + w * normals[c, 0]
            ny = u * normals[a, 1] + v * normals[b, 1] + w * normals[c, 1]
            nz = u * normals[a, 2] + v * normals[b, 2] + w * normals[c, 2]
            k = material[t]
            wrinkles = table[k, m.WRINKLES]
            if wrinkles > 0:
                ex, ey, ez = noises(volume, qx * 22, qy * 22, qz * 22)
                nx, ny, nz = nx + wrinkles * ex, ny + wrinkles * ey, nz + wrinkles * ez
            inside = 1.0
            if area > 0:  # the inner side of cloth
                nx, ny, nz, inside = -nx, -ny, -nz, 0.45
            length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / length, ny / length, nz / length
            facing = nx * towards[0] + ny * towards[1] + nz * towards[2]
            soft = table[k, m.SOFTNESS]
            direct = max(0.0, (facing + soft) / (1 + soft))
            if direct > 0:
                direct *= sun_share(
                    shadow, shadow_matrix, shadow_blur, shadow_bias, x, y, z, hashed(column, row, sample)
                )
            up = 0.5 + 0.5 * ny
            share = _second_share(table, k, volume, qx, qy, qz, 1.0 if qx > 0.02 else 0.0)
            grain = 1.0 + table[k, m.GRAIN] * (
                0.6 * noise(volume, qx * 9, qy * 9, qz * 9, 1) + 0.4 * noise(volume, qx * 150, qy * 60, qz * 150, 2)
            )
            glint = 0.0
            if table[k, m.SHINE] > 0 and direct > 0:
                vx, vy, vz = eye[0] - x, eye[1] - y, eye[2] - z
                away = np.sqrt(vx * vx + vy * vy + vz * vz) + 1e-9
                hx, hy, hz = vx / away + towards[0], vy / away + towards[1], vz / away + towards[2]
                half = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
                cosine = max(0.0, (nx * hx + ny * hy + nz * hz) / half)
                glint = table[k, m.SHINE] * cosine**24 * direct
            for channel in range(3):
                colour = table[k, channel] + share * (table[k, 3 + channel] - table[k, channel])
                colour *= u * tint[a, channel] + v * tint[b, channel] + w * tint[c, channel]
                light = sun[channel] * direct + below[channel] + up * (above[channel] - below[channel])
                out[row, column, channel] += inside * max(0.0, grain) * colour * light + glint * sun[channel]
