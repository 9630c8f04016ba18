from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from ring_buffers.motion.motion_map import MotionMap

grids = arrays.arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 40)))
sizes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))


@given(grids)
def test_a_map_keeps_every_cell(grid: NDArray[np.bool_]) -> None:
    found = MotionMap.of(grid)
    assert np.array_equal(found.moving(), grid)
    assert (found.rows, found.columns) == grid.shape
    assert found.share == grid.mean() and found.moves == grid.any() and not found.everything
    assert found == MotionMap.of(grid) and hash(found) == hash(MotionMap.of(grid))


@given(st.integers(1, 30), st.integers(1, 40))
def test_a_map_of_everything_moves_in_every_cell(rows: int, columns: int) -> None:
    found = MotionMap.whole(columns, rows)
    assert found.everything and found.share == 1 and found.moving().all()
    assert found.boxes((640, 360)) == [(0, 0, 640, 360)]


@given(grids, sizes, st.integers(0, 3))
def test_every_moving_cell_lies_in_a_box_inside_the_picture(
    grid: NDArray[np.bool_], size: tuple[int, int], margin: int
) -> None:
    boxes = MotionMap.of(grid).boxes(size, margin)
    rows, columns = grid.shape
    for row, column in np.argwhere(grid).tolist():
        x, y = (column + 0.5) * size[0] / columns, (row + 0.5) * size[1] / rows
        assert any(x1 < x < x2 and y1 < y < y2 for x1, y1, x2, y2 in boxes)
    for x1, y1, x2, y2 in boxes:
        assert 0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]
        assert MotionMap.of(grid).moves_in((x1, y1, x2, y2), size)


@given(grids, sizes)
def test_the_middle_of_a_cell_moves_if_the_cell_does(grid: NDArray[np.bool_], size: tuple[int, int]) -> None:
    found = MotionMap.of(grid)
    width, height = size[0] / found.columns, size[1] / found.rows
    for row in range(found.rows):
        for column in range(found.columns):
            x, y = (column + 0.4) * width, (row + 0.4) * height
            assert found.moves_in((x, y, x + 0.2 * width, y + 0.2 * height), size) == grid[row, column]


def test_near_cells_share_a_box_and_distant_cells_do_not() -> None:
    grid = np.zeros((9, 16), np.bool_)
    grid[2, 3] = grid[4, 5] = grid[7, 14] = True
    assert MotionMap.of(grid).boxes((160, 90)) == [(20, 10, 70, 60), (130, 60, 160, 90)]
    assert MotionMap.of(grid).boxes((160, 90), margin=0) == [(30, 20, 40, 30), (50, 40, 60, 50), (140, 70, 150, 80)]


def test_a_picture_without_motion_has_no_boxes() -> None:
    found = MotionMap.of(np.zeros((9, 16), np.bool_))
    assert found.boxes((160, 90)) == [] and not found.moves and found.share == 0


def test_nothing_moves_outside_the_picture() -> None:
    found = MotionMap.whole(16, 9)
    for box in ((-50, 10, -20, 30), (170, 10, 190, 30), (10, -40, 30, -10), (10, 95, 30, 120)):
        assert not found.moves_in(box, (160, 90))
    assert found.moves_in((-50, -50, 5, 5), (160, 90)) and found.moves_in((155, 85, 500, 500), (160, 90))
