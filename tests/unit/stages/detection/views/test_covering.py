"""The regions that show given boxes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stages.detection.views.covering import DETAIL, SHARED_DETAIL, SIDES, Box, cost, cover
from stages.looks import REGION_SIDE, Region

SIZES = st.tuples(st.integers(16, 4000), st.integers(16, 4000))


@st.composite
def pictures_with_boxes(draw: st.DrawFn) -> tuple[tuple[int, int], list[Box]]:
    """A picture's width and height, and boxes inside it."""
    width, height = draw(SIZES)
    share = st.floats(0, 1)
    boxes: list[Box] = []
    for _ in range(draw(st.integers(0, 30))):
        x1, x2 = sorted((draw(share) * width, draw(share) * width))
        y1, y2 = sorted((draw(share) * height, draw(share) * height))
        boxes.append((x1, y1, x2, y2))
    return (width, height), boxes


def shows(region: Region, box: Box, size: tuple[int, int]) -> bool:
    width, height = region.shown(size)
    right, bottom = region.left + width, region.top + height
    return region.left <= box[0] and region.top <= box[1] and box[2] <= right and box[3] <= bottom


@given(pictures_with_boxes(), st.floats(0.05, 3))
def test_every_box_is_whole_in_a_region(made: tuple[tuple[int, int], list[Box]], scale: float) -> None:
    size, boxes = made
    regions = cover(boxes, size, scale)
    assert all(any(shows(region, box, size) for region in regions) for box in boxes)
    assert len(regions) <= len(boxes)


@given(pictures_with_boxes(), st.floats(0.05, 3))
def test_regions_begin_inside_the_picture_at_even_pixels(made: tuple[tuple[int, int], list[Box]], scale: float) -> None:
    size, boxes = made
    for region in cover(boxes, size, scale):
        assert region.left % 2 == region.top % 2 == region.size[0] % 2 == region.size[1] % 2 == 0
        assert 0 <= region.left < size[0] and 0 <= region.top < size[1]
        assert min(region.shown(size)) > 0


@given(pictures_with_boxes(), st.floats(0.05, 1))
def test_people_who_share_a_region_are_seen_in_enough_detail(
    made: tuple[tuple[int, int], list[Box]], scale: float
) -> None:
    size, boxes = made
    regions = cover(boxes, size, scale)
    for box in boxes:
        extent = max(box[2] - box[0], box[3] - box[1], 1.0)
        enough = min(scale, SHARED_DETAIL / extent)
        seen = max(REGION_SIDE / region.side for region in regions if shows(region, box, size))
        # A region is up to a step larger than what it must show; alone, a box gets the smallest that shows it, or one
        # that gives it `DETAIL`.
        step = max(after / before for before, after in pairwise(SIDES))
        assert seen * step >= min(enough, REGION_SIDE / max(extent + 4, SIDES[0]), DETAIL / extent)


def test_people_far_apart_get_a_region_each_and_neighbours_share_one() -> None:
    left, right = (100.0, 200.0, 140.0, 300.0), (1100.0, 200.0, 1140.0, 300.0)
    beside = (150.0, 210.0, 190.0, 310.0)
    assert len(cover([left, right], (1280, 720), 0.6)) == 2
    assert len(cover([left, beside], (1280, 720), 0.6)) == 1


@given(pictures_with_boxes(), st.floats(0.05, 3))
def test_squares_show_every_box_where_only_squares_are_wanted(
    made: tuple[tuple[int, int], list[Box]], scale: float
) -> None:
    size, boxes = made
    regions = cover(boxes, size, scale, squares=True)
    assert all(region.seen() == (REGION_SIDE, REGION_SIDE) for region in regions)
    assert all(any(shows(region, box, size) for region in regions) for box in boxes)


@given(pictures_with_boxes(), st.floats(0.05, 3))
def test_sharing_regions_never_costs_more_than_a_region_for_each_box(
    made: tuple[tuple[int, int], list[Box]], scale: float
) -> None:
    size, boxes = made
    assert cost(cover(boxes, size, scale)) <= sum(cost(cover([box], size, scale)) for box in boxes)
