"""A pinhole camera, which projects points of the world into the picture.

Pixels count from the picture's top left corner; the centre of the first pixel is (0.5, 0.5). The projection is that of
`training.synthetic.sequences.cameras`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A camera. `position` [3] metres; `axes` [3, 3], rows: right, up, forward (orthonormal); `focal`: focal length in
    pixels; `centre` [2]: principal point in pixels; `size`: width, height in pixels."""

    position: Array
    axes: Array
    focal: float
    centre: Array
    size: tuple[int, int]

    def project(self, points: Array) -> tuple[Array, Array]:
        """Project world points [..., 3] to pixels [..., 2] and depth [...] in metres along the line of sight.

        The depth of points behind the camera is not positive.
        """
        seen = (np.asarray(points, np.float64) - self.position) @ self.axes.T
        depth = seen[..., 2]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        x = self.centre[0] + self.focal * seen[..., 0] / safe
        y = self.centre[1] - self.focal * seen[..., 1] / safe
        return np.stack([x, y], -1), depth

    def shifted(self, pixels: Array) -> Camera:
        """Return the same view moved by `pixels` [2] in the picture."""
        return replace(self, centre=self.centre + pixels)

    def scaled(self, factor: float) -> Camera:
        """Return the same view in a picture `factor` times as large."""
        size = (round(self.size[0] * factor), round(self.size[1] * factor))
        return replace(self, focal=self.focal * factor, centre=self.centre * factor, size=size)


def look_at(position: Array, target: Array, *, focal: float, size: tuple[int, int], roll: float = 0.0) -> Camera:
    """Return a camera at `position` with `target` in the middle of its picture, rolled by `roll` radians."""
    forward = np.asarray(target, np.float64) - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, np.array([0.0, 1.0, 0.0]))
    right = right / max(float(np.linalg.norm(right)), 1e-9)
    up = np.cross(right, forward)
    right, up = right * np.cos(roll) + up * np.sin(roll), up * np.cos(roll) - right * np.sin(roll)
    centre = np.array(size, np.float64) / 2
    return Camera(np.asarray(position, np.float64), np.stack([right, up, forward]), focal, centre, size)


def fitted(points: Array, pixels: Array, size: tuple[int, int]) -> Camera:
    """Return the camera with square pixels that sees world points [N, 3] at pixels [N, 2], N ≥ 6 and not in one plane.

    This is the direct linear transform, which is exact for exact points. Raises ValueError if the points do not
    determine the camera.
    """
    points, pixels = np.asarray(points, np.float64), np.asarray(pixels, np.float64)
    middle, spread = points.mean(0), points.std() or 1.0
    around, reach = pixels.mean(0), pixels.std() or 1.0
    p = np.concatenate([(points - middle) / spread, np.ones((len(points), 1))], 1)
    q = (pixels - around) / reach
    zero = np.zeros_like(p)
    rows = np.concatenate([np.concatenate([p, zero, -q[:, :1] * p], 1), np.concatenate([zero, p, -q[:, 1:] * p], 1)])
    _, values, basis = np.linalg.svd(rows, full_matrices=False)
    if len(points) < 6 or values[-2] < 1e-9 * values[0]:
        raise ValueError("the points lie in one plane or are too few: they don't say where the camera is")
    matrix = basis[-1].reshape(3, 4)
    matrix = np.array([[reach, 0, around[0]], [0, reach, around[1]], [0, 0, 1]]) @ matrix
    matrix = matrix @ np.block([[np.eye(3) / spread, (-middle / spread)[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])
    matrix = matrix / np.linalg.norm(matrix[2, :3])
    if (matrix[2, :3] @ points.mean(0) + matrix[2, 3]) < 0:
        matrix = -matrix
    position = -np.linalg.solve(matrix[:, :3], matrix[:, 3])
    forward = matrix[2, :3]
    centre = matrix[:2, :3] @ forward
    across, down = matrix[0, :3] - centre[0] * forward, matrix[1, :3] - centre[1] * forward
    focal = float((np.linalg.norm(across) + np.linalg.norm(down)) / 2)
    return Camera(
        position,
        np.stack([across / np.linalg.norm(across), -down / np.linalg.norm(down), forward]),
        focal,
        centre,
        size,
    )
