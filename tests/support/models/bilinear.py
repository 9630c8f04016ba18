"""Bilinear sampling, written as a plain loop."""

from __future__ import annotations

import math


def bilinear(cells: list[list[float]], y: float, x: float) -> float:
    """A map's value between its cells; zero more than one cell beyond its edge, within that the edge's value."""
    height, width = len(cells), len(cells[0])
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    fy, fx = y - top, x - left
    return (
        cells[top][left] * (1 - fy) * (1 - fx)
        + cells[top][right] * (1 - fy) * fx
        + cells[bottom][left] * fy * (1 - fx)
        + cells[bottom][right] * fy * fx
    )
