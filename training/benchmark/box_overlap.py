"""Intersection over union (IoU) of boxes x1, y1, x2, y2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.floating[Any]]


def iou(first: Pixels, second: Pixels) -> NDArray[np.float64]:
    """Return the IoU [n, m] of boxes [n, 4] and [m, 4] with continuous coordinates."""
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.maximum(sides, 0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return shared / np.maximum(union, 1e-9)


def inclusive_iou(a: Pixels, b: Pixels) -> Pixels:
    """Return the IoU of boxes [..., 4] that include their last row and column; -1 without overlap. Keeps the dtype."""
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0]) + 1
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1]) + 1
    shared = width * height
    apart = (width <= 0) | (height <= 0)
    union = _extent(a) + _extent(b) - shared
    return np.where(apart, -1, shared / np.where(apart, 1, union)).astype(a.dtype, copy=False)


def _extent(box: Pixels) -> Pixels:
    return (box[..., 2] - box[..., 0] + 1) * (box[..., 3] - box[..., 1] + 1)
