"""The z-buffer: the triangle that each pixel shows, and the hidden parts behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.synthetic.rendering.surfaces.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

NEAR = 0.05
"""Near plane in metres; triangles closer to the camera are not drawn."""


@compiled
def project(
    opening: Floats, closing: Floats, moment: float, eye: Floats, axes: Floats, focal: float, x: float, y: float
) -> tuple[Floats, Floats]:
    """Project vertices [V, 3] at `moment`, between the shutter's `opening` (0) and `closing` (1).

    Returns their places in the world and on the screen (x, y in pixels, 1/z) of a camera at `eye` [3] with `axes` [3,
    3] (right, up, forward) and principal point (x, y).
    """
    world, screen = np.empty_like(opening), np.empty_like(opening)
    for n in range(opening.shape[0]):
        for axis in range(3):
            world[n, axis] = opening[n, axis] + moment * (closing[n, axis] - opening[n, axis])
        ox, oy, oz = world[n, 0] - eye[0], world[n, 1] - eye[1], world[n, 2] - eye[2]
        depth = ox * axes[2, 0] + oy * axes[2, 1] + oz * axes[2, 2]
        if depth < 1e-6 and depth > -1e-6:
            depth = -1e-6
        screen[n, 0] = x + focal * (ox * axes[0, 0] + oy * axes[0, 1] + oz * axes[0, 2]) / depth
        screen[n, 1] = y - focal * (ox * axes[1, 0] + oy * axes[1, 1] + oz * axes[1, 2]) / depth
        screen[n, 2] = 1 / depth
    return world, screen


@compiled
def draw_triangles(
    screen: Floats,
    triangles: Ints,
    two_sided: NDArray[np.bool_],
    first: int,
    depth: Floats,
    face: Ints,
) -> None:
    """Draw triangles [T, 3] of vertices `screen` [V, 3] (x, y in pixels, 1/z with z in metres) in place.

    `depth` [H, W] holds the nearest 1/z so far, 0 where there is nothing; `face` [H, W] the number of the visible
    triangle, counted from `first`. A pixel is covered if its centre is. Front faces have anticlockwise corners on the
    screen; other triangles are skipped unless `two_sided` [T].
    """
    height, width = depth.shape
    far, half = np.float32(1.0 / NEAR), np.float32(0.5)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by, bz = screen[b, 0], screen[b, 1], screen[b, 2]
        cx, cy, cz = screen[c, 0], screen[c, 1], screen[c, 2]
        if min(az, bz, cz) <= 0.0 or max(az, bz, cz) > far:
            continue
        # Most triangles of a person lie between pixel centres, so they are skipped first.
        x0 = max(0, int(np.ceil(min(ax, bx, cx) - half)))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx) - half)))
        if x0 > x1:
            continue
        y0 = max(0, int(np.ceil(min(ay, by, cy) - half)))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy) - half)))
        if y0 > y1:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0 or (area > 0.0 and not two_sided[t]):  # y points down on the screen
            continue
        inverse = 1.0 / area
        for y in range(y0, y1 + 1):
            py = y + 0.5
            for x in range(x0, x1 + 1):
                px = x + 0.5
                u = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) * inverse
                v = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) * inverse
                w = 1.0 - u - v
                if u < 0.0 or v < 0.0 or w < 0.0:
                    continue
                z = u * az + v * bz + w * cz
                if z > depth[y, x]:
                    depth[y, x] = z
                    face[y, x] = first + t


@compiled
def draw_parts(
    screen: Floats,
    triangles: Ints,
    two_sided: NDArray[np.bool_],
    part: Ints,
    shift_x: int,
    shift_y: int,
    covered: NDArray[np.uint16],
) -> None:
    """Set bit `part` [T] in every pixel of `covered` [h, w] that a triangle covers, whatever is in front of it.

    The screen's pixel (0, 0) is column `shift_x`, row `shift_y` of `covered`, so that areas outside the picture count
    too.
    """
    height, width = covered.shape
    far = 1.0 / NEAR
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if min(screen[a, 2], screen[b, 2], screen[c, 2]) <= 0.0 or max(screen[a, 2], screen[b, 2], screen[c, 2]) > far:
            continue
        ax, ay = screen[a, 0] + shift_x, screen[a, 1] + shift_y
        bx, by = screen[b, 0] + shift_x, screen[b, 1] + shift_y
        cx, cy = screen[c, 0] + shift_x, screen[c, 1] + shift_y
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0 or (area > 0.0 and not two_sided[t]):
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        y0 = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        bit = np.uint16(1 << part[t])
        for y in range(y0, y1 + 1):
            py = y + 0.5
            for x in range(x0, x1 + 1):
                px = x + 0.5
                u = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) / area
                v = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) / area
                if u >= 0.0 and v >= 0.0 and u + v <= 1.0:
                    covered[y, x] |= bit


@compiled
def tally_visible(face: Ints, owner: Ints, part: Ints, pixels: Ints, boxes: Floats) -> None:
    """Count visible pixels, in place.

    `pixels` [K, P] and `boxes` [K, P, 4] (x1, y1, x2, y2, outer edges of pixels) of each part of each owner, from
    `face` [H, W] and the triangles' `owner`, `part` [T]. Boxes must start as inf, inf, -inf, -inf.
    """
    height, width = face.shape
    for row in range(height):
        for column in range(width):
            t = face[row, column]
            if t < 0:
                continue
            k, p = owner[t], part[t]
            pixels[k, p] += 1
            boxes[k, p, 0] = min(boxes[k, p, 0], column)
            boxes[k, p, 1] = min(boxes[k, p, 1], row)
            boxes[k, p, 2] = max(boxes[k, p, 2], column + 1)
            boxes[k, p, 3] = max(boxes[k, p, 3], row + 1)


@compiled
def tally_covered(covered: NDArray[np.uint16], pixels: Ints) -> int:
    """Count the pixels of each bit of `covered` [h, w] into `pixels` [P], and return the number of pixels with any
    bit."""
    height, width = covered.shape
    total = 0
    for row in range(height):
        for column in range(width):
            bits = covered[row, column]
            if bits:
                total += 1
                for p in range(pixels.shape[0]):
                    if bits & np.uint16(1 << p):
                        pixels[p] += 1
    return total


@compiled
def stretch_boxes(screen: Floats, triangles: Ints, owner: Ints, part: Ints, boxes: Floats) -> None:
    """Stretch `boxes` [K, P, 4] around all corners of each part of each owner, except those behind the camera, in
    place."""
    for t in range(triangles.shape[0]):
        k, p = owner[t], part[t]
        for corner in range(3):
            n = triangles[t, corner]
            if screen[n, 2] > 0:
                boxes[k, p, 0] = min(boxes[k, p, 0], screen[n, 0])
                boxes[k, p, 1] = min(boxes[k, p, 1], screen[n, 1])
                boxes[k, p, 2] = max(boxes[k, p, 2], screen[n, 0])
                boxes[k, p, 3] = max(boxes[k, p, 3], screen[n, 1])
