"""MotionMap: where a frame's picture moves, on a coarse grid of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the picture as shown."""

_NEIGHBOURS = np.ones((3, 3), np.bool_)


class MotionMap(msgspec.Struct, frozen=True, gc=False):
    """Cells of a picture that move. The grid of `columns` x `rows` covers the picture as shown.

    `cells` has one bit per cell, row by row from the top left, as `numpy.packbits` writes them. A reader that skips
    frames must treat the first frame that it reads of a scene like one of `everything`.
    """

    columns: int
    rows: int
    cells: bytes
    scene: int = 0
    """Number of the scene in its epoch, from 1. A picture that changed as a whole begins another one."""
    everything: bool = False
    """The frame is the first of a scene: all of it counts as moving."""

    @classmethod
    def of(cls, moving: NDArray[np.bool_], scene: int = 0) -> Self:
        """Return the map of a grid: bool [rows, columns]."""
        rows, columns = moving.shape
        return cls(columns, rows, np.packbits(moving).tobytes(), scene)

    @classmethod
    def whole(cls, columns: int, rows: int, scene: int = 0) -> Self:
        """Return the map of a scene's first picture."""
        return cls(columns, rows, np.packbits(np.ones(columns * rows, np.bool_)).tobytes(), scene, True)

    @property
    def moves(self) -> bool:
        """Whether any cell moves."""
        return any(self.cells)

    @property
    def share(self) -> float:
        """Share of the cells that move, 0 to 1."""
        return int.from_bytes(self.cells).bit_count() / (self.columns * self.rows)

    def moving(self) -> NDArray[np.bool_]:
        """Return the grid: bool [rows, columns]."""
        cells = np.unpackbits(np.frombuffer(self.cells, np.uint8), count=self.columns * self.rows)
        return cells.view(np.bool_).reshape(self.rows, self.columns)

    def cells_in(self, boxes: Sequence[Box], size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the cells that any of the boxes overlaps: bool [rows, columns]. `size`: width and height as shown."""
        found = np.zeros((self.rows, self.columns), np.bool_)
        across, down = self.columns / size[0], self.rows / size[1]
        for x1, y1, x2, y2 in boxes:
            left, top = max(int(x1 * across), 0), max(int(y1 * down), 0)
            found[top : max(-int(-y2 * down // 1), 0), left : max(-int(-x2 * across // 1), 0)] = True
        return found


def boxes_of(cells: NDArray[np.bool_], size: tuple[int, int], margin: int = 1) -> list[Box]:
    """Return the boxes of connected cells of a grid, each with `margin` cells around them, inside the picture.

    `cells`: bool [rows, columns]. Cells are connected if their margins touch, also at a corner. `size`: width and
    height of the picture as shown.
    """
    if not cells.any():
        return []
    from scipy import ndimage  # only here: the configuration imports this module and shouldn't wait for scipy

    grown = ndimage.binary_dilation(cells, _NEIGHBOURS, margin) if margin else cells
    labels = np.zeros(cells.shape, np.int32)
    ndimage.label(grown, _NEIGHBOURS, labels)
    rows, columns = cells.shape
    width, height = size[0] / columns, size[1] / rows
    return [
        (across.start * width, down.start * height, min(across.stop * width, size[0]), min(down.stop * height, size[1]))
        for down, across in ndimage.find_objects(labels)
    ]
