"""The views in which a picture is searched for people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.looks import OVERLAP, search_views

SIDES = st.integers(16, 4096)


@given(SIDES, SIDES, st.floats(0, 1), st.floats(0, 1))
def test_every_small_box_is_whole_in_a_tile(width: int, height: int, across: float, down: float) -> None:
    side = min(OVERLAP - 4, width, height)
    x, y = across * (width - side), down * (height - side)
    assert any(
        tile.left <= x and tile.top <= y and x + side <= tile.left + tile.side and y + side <= tile.top + tile.side
        for tile in search_views((width, height))
    )


@given(SIDES, SIDES)
def test_tiles_are_few_even_and_within_the_longer_side(width: int, height: int) -> None:
    found = search_views((width, height))
    assert len(found) <= 10
    assert all(value % 2 == 0 for tile in found for value in tile)
    assert all(tile.left + tile.side <= max(width, height) + 2 for tile in found)


def test_a_small_picture_is_one_tile_and_720p_is_seven() -> None:
    assert len(search_views((416, 312))) == 1
    assert len(search_views((1280, 720))) == 7
