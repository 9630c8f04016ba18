"""How much boxes overlap: x1, y1, x2, y2 in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the IoU `[n, m]` of boxes `[n, 4]` and `[m, 4]`."""
    shared = _shared(first, second)
    return np.divide(shared, np.maximum(_areas(first)[:, None] + _areas(second) - shared, 1e-6), dtype=np.float32)


def share_inside(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share `[n, m]` of each box `[n, 4]` that is inside each box `[m, 4]`."""
    return np.divide(_shared(first, second), np.maximum(_areas(first), 1e-6)[:, None], dtype=np.float32)


def _shared(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    return np.maximum(sides, np.float32(0)).prod(-1, dtype=np.float32)


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return (boxes[:, 2:] - boxes[:, :2]).prod(-1, dtype=np.float32)
