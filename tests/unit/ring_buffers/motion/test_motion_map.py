from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from ring_buffers.motion.motion_map import MotionMap, boxes_of
from support.luma_scenes import moves_in

grids = arrays.arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 40)))
sizes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@given(grids)
def test_a_map_keeps_every_cell(grid: NDArray[np.bool_]) -> None:
    found = MotionMap.of(grid)
    assert np.array_equal(found.moving(), grid)
    assert (found.rows, found.columns) == grid.shape
    assert found.share == grid.mean() and found.moves == grid.any() and not found.everything
    assert found == MotionMap.of(grid) and hash(found) == hash(MotionMap.of(grid))


@given(grids, sizes, st.integers(0, 3))
def test_every_moving_cell_lies_in_a_box_inside_the_picture(
    grid: NDArray[np.bool_], size: tuple[int, int], margin: int
) -> None:
    boxes = boxes_of(MotionMap.of(grid).moving(), size, margin)
    rows, columns = grid.shape
    for row, column in np.argwhere(grid).tolist():
        x, y = (column + 0.5) * size[0] / columns, (row + 0.5) * size[1] / rows
        assert any(x1 < x < x2 and y1 < y < y2 for x1, y1, x2, y2 in boxes)
    for x1, y1, x2, y2 in boxes:
        assert 0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]
        assert moves_in(MotionMap.of(grid), (x1, y1, x2, y2), size)


@given(grids, sizes)
def test_the_middle_of_a_cell_moves_if_the_cell_does(grid: NDArray[np.bool_], size: tuple[int, int]) -> None:
    found = MotionMap.of(grid)
    width, height = size[0] / found.columns, size[1] / found.rows
    for row in range(found.rows):
        for column in range(found.columns):
            x, y = (column + 0.4) * width, (row + 0.4) * height
            assert moves_in(found, (x, y, x + 0.2 * width, y + 0.2 * height), size) == grid[row, column]
