"""Placing labels."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.annotation.label_placement import Placement, Rect, around, overlap

BOUNDS = (0.0, 0.0, 1000.0, 800.0)


def test_a_single_label_is_placed_above_its_object() -> None:
    placement = Placement(BOUNDS)
    places = around((400, 300, 500, 500), (120, 40), 4)
    assert places[placement.find(places, (400, 300, 500, 500)) or 0] == (400, 256, 520, 296)


def test_a_label_at_the_top_edge_is_placed_where_it_does_not_hide_its_object() -> None:
    placement = Placement(BOUNDS)
    target = (400.0, 0.0, 500.0, 200.0)
    places = around(target, (120, 40), 4)
    chosen = placement.find(places, target)
    assert chosen is not None
    assert overlap(placement.take(places[chosen]), target) == 0


def test_a_label_does_not_hide_other_objects() -> None:
    target, other = (400.0, 300.0, 500.0, 500.0), (390.0, 200.0, 520.0, 296.0)
    placement = Placement(BOUNDS, [target, other])
    places = around(target, (120, 40), 4)
    chosen = placement.find(places, target)
    assert chosen is not None
    assert overlap(placement.take(places[chosen]), other) == 0


def test_no_place_is_found_if_all_are_taken() -> None:
    target = (400.0, 300.0, 500.0, 500.0)
    placement = Placement(BOUNDS, taken=[BOUNDS])
    assert placement.find(around(target, (120, 40), 4), target) is None


def test_a_label_keeps_its_place_unless_another_is_clearly_better() -> None:
    target = (400.0, 300.0, 500.0, 500.0)
    places = around(target, (120, 40), 4)
    assert Placement(BOUNDS).find(places, target) == 0
    assert Placement(BOUNDS).find(places, target, used_before=3) == 3
    blocked = Placement(BOUNDS, taken=[places[3]])
    assert blocked.find(places, target, used_before=3) != 3


rectangles = st.tuples(st.floats(-50, 1000), st.floats(-50, 800), st.floats(1, 300), st.floats(1, 300)).map(
    lambda given: (given[0], given[1], given[0] + given[2], given[1] + given[3])
)


@given(st.lists(rectangles, max_size=15))
def test_placed_labels_never_overlap_and_stay_inside_the_bounds(things: list[Rect]) -> None:
    placement = Placement(BOUNDS, things)
    for thing in things:
        places = around(thing, (150, 60), 4, rings=2)
        chosen = placement.find(places, thing)
        if chosen is not None:
            placement.take(places[chosen])
    for index, one in enumerate(placement.taken):
        assert overlap(one, BOUNDS) > 0.999 * 150 * 60
        assert all(overlap(one, other) == 0 for other in placement.taken[:index])
