"""Masks are black in every layout of a slot: all that an outline touches and a little more, and nothing far from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from ring_buffers.frames import Colours, SlotFormat
from ring_buffers.slot_writers import plane_bounds
from stream.privacy.slot_mask import MARGIN, Outline, SlotMask, drawn

CORNERS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8)
RIGHT: Outline = [(0.5, 0), (1, 0), (1, 1), (0.5, 1)]


def planes_of(picture: np.ndarray, format: SlotFormat) -> list[np.ndarray]:
    return [picture[begin:end].reshape(height, width) for begin, end, width, height in plane_bounds(format.size)]


@settings(deadline=None)
@given(CORNERS, st.sampled_from([(64, 48), (33, 17), (7, 90)]))
def test_each_pixel_that_an_outline_touches_is_masked_and_none_far_from_it(
    corners: list[tuple[float, float]], size: tuple[int, int]
) -> None:
    polygon = shapely.Polygon([(x * size[0], y * size[1]) for x, y in corners])
    if not polygon.is_valid:
        return
    black = drawn([corners], size, MARGIN)
    for row in range(size[1]):
        for column in range(size[0]):
            far = polygon.distance(shapely.box(column, row, column + 1, row + 1))
            if far <= MARGIN:
                assert black[row, column], (column, row)
            if far > MARGIN + 1:
                assert not black[row, column], (column, row)


@pytest.mark.parametrize("size", [(64, 48), (33, 17)])
@pytest.mark.parametrize(("full_range", "black"), [(False, 16), (True, 0)])
def test_planes_are_black_with_neutral_colour_and_the_rest_is_unchanged(
    size: tuple[int, int], full_range: bool, black: int
) -> None:
    format = SlotFormat("planes", size, size, colours=Colours(full_range=full_range))
    picture = np.full(format.shape, 200, np.uint8)
    SlotMask([RIGHT], format).apply(picture)
    luma, *chroma = planes_of(picture, format)
    middle = size[0] // 2
    assert np.all(luma[:, middle - 2 :] == black) and np.all(luma[:, : middle - 5] == 200)
    for plane in chroma:
        assert np.all(plane[:, middle // 2 - 1 :] == 128) and np.all(plane[:, : middle // 2 - 3] == 200)
        hidden = (plane == 128).repeat(2, 0).repeat(2, 1)[: size[1], : size[0]]
        assert np.array_equal(hidden, luma == black), "each colour sample goes with all its luma"


def test_rgb_is_masked_in_its_content_and_its_border_stays() -> None:
    format = SlotFormat("rgb24", (64, 48), (40, 30))
    picture = np.full(format.shape, 9, np.uint8)
    SlotMask([RIGHT], format).apply(picture)
    assert not picture[:30, 18:40].any() and np.all(picture[:30, :15] == 9)
    assert np.all(picture[30:] == 9) and np.all(picture[:, 40:] == 9)


def test_the_hidden_part_of_a_small_picture_is_as_wide_as_all_that_mixes_with_it() -> None:
    mask = SlotMask([RIGHT], SlotFormat("rgb24", (64, 48), (64, 48)))
    for width, height in ((160, 120), (120, 160)):
        hidden = mask.hidden(width, height)
        assert hidden.shape == (height, width)
        assert hidden[:, width // 2 - 1 :].all() and not hidden[:, : width // 2 - 3].any()


def test_the_margin_grows_with_how_much_pictures_are_enlarged() -> None:
    picture = np.full((48, 64, 3), 9, np.uint8)
    SlotMask([RIGHT], SlotFormat("rgb24", (64, 48), (64, 48)), enlarged=4).apply(picture)
    assert not picture[:, 24:].any() and np.all(picture[:, :22] == 9)


def test_a_mask_smaller_than_a_pixel_hides_its_surroundings() -> None:
    format = SlotFormat("planes", (64, 48), (64, 48))
    picture = np.full(format.shape, 200, np.uint8)
    SlotMask([[(0.5, 0.5), (0.501, 0.5), (0.5, 0.501)]], format).apply(picture)
    assert 25 <= np.count_nonzero(planes_of(picture, format)[0] == 16) <= 100
    other = replace(format, size=(32, 24))
    SlotMask([RIGHT], other).apply(np.zeros(other.shape, np.uint8))
