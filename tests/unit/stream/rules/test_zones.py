"""Which zones people are in: examples, and hypothesis against plain geometry."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream.rules.zones import BORDER, Zones
from stream.settings.zones import ZoneConfig

SIZE = (1000, 500)
LEFT_HALF = ZoneConfig(points=[(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
WHOLE = ZoneConfig(points=[(0, 0), (1, 0), (1, 1), (0, 1)])
HEIGHT = 100.0
STEP = BORDER * HEIGHT


class Standing(NamedTuple):
    track: int
    box: tuple[float, float, float, float]
    foot: tuple[float, float]


def standing(x: float, y: float = 250.0, track: int = 1) -> Standing:
    """A person `HEIGHT` tall who stands at x, y, or at the edge of the picture nearest to it."""
    return Standing(track, (x - 20, y - HEIGHT, x + 20, y), (min(max(x, 0), SIZE[0]), min(max(y, 0), SIZE[1])))


def zones_at(zones: Zones, x: float, y: float = 250.0, track: int = 1) -> tuple[str, ...] | None:
    return zones.update([standing(x, y, track)]).get(track)


def test_a_person_is_in_each_zone_around_the_foot_point_in_alphabetical_order() -> None:
    zones = Zones({"whole": WHOLE, "left": LEFT_HALF, "again": WHOLE}, SIZE)
    places = zones.update([standing(100, 150), standing(900, 150, track=2)])
    assert places == {1: ("again", "left", "whole"), 2: ("again", "whole")}


def test_a_concave_zone_does_not_contain_its_notch() -> None:
    notched = ZoneConfig(points=[(0, 0), (1, 0), (1, 1), (0.5, 0.2), (0, 1)])
    zones = Zones({"notched": notched}, SIZE)
    assert zones_at(zones, 500, 400) == () and zones_at(zones, 100, 100, track=2) == ("notched",)


def test_a_person_enters_and_leaves_once_the_foot_point_is_beyond_the_border_by_a_share_of_the_height() -> None:
    zones = Zones({"left": LEFT_HALF}, SIZE)
    walk = [500 + 2 * STEP, 500, 500 - 0.9 * STEP, 500 - 1.1 * STEP, 500 + 0.9 * STEP, 500 + 1.1 * STEP]
    assert [zones_at(zones, x) for x in walk] == [(), (), (), ("left",), ("left",), ()]


@pytest.mark.parametrize("start", [400, 600])
def test_a_foot_point_that_trembles_at_the_border_changes_no_zone(start: int) -> None:
    tremble = random.Random(0)
    zones = Zones({"left": LEFT_HALF}, SIZE)
    first = zones_at(zones, start)
    assert {zones_at(zones, 500 + tremble.uniform(-STEP, STEP) * 0.99) for _ in range(500)} == {first}


def test_the_edges_of_the_picture_are_no_borders_also_for_boxes_that_reach_beyond_them() -> None:
    zones = Zones({"left": LEFT_HALF}, SIZE)
    assert zones_at(zones, 700, 500) == ()
    assert [zones_at(zones, x, y) for x, y in ((400, 500), (0, 500), (-30, 490), (100, 530))] == [("left",)] * 4
    assert zones_at(zones, 100, 500, track=2) == ("left",)


def test_a_zone_narrower_than_the_band_at_its_borders_can_be_entered_and_left() -> None:
    narrow = ZoneConfig(points=[(0, 0.5), (1, 0.5), (1, 0.508), (0, 0.508)])  # 4 pixels high
    zones = Zones({"line": narrow}, SIZE)
    assert [zones_at(zones, 500, y) for y in (240, 252, 252.5, 240)] == [(), ("line",), ("line",), ()]


def test_people_in_an_ignored_zone_have_no_place_until_they_leave_it() -> None:
    zones = Zones({"left": LEFT_HALF.model_copy(update={"ignore": True}), "all": LEFT_HALF}, SIZE)
    assert zones_at(zones, 100) is None
    assert zones_at(zones, 500 + 2 * STEP) == ()


def test_a_track_that_has_ended_is_forgotten() -> None:
    zones = Zones({"left": LEFT_HALF}, SIZE)
    assert zones_at(zones, 400) == ("left",)
    assert zones_at(zones, 500 + STEP / 2) == ("left",), "still"
    zones.update([], ended=[1])
    assert zones_at(zones, 500 + STEP / 2) == (), "as a new person"


def test_the_zones_of_a_person_who_leaves_an_ignored_one_are_those_before_it_at_the_border() -> None:
    """Readers of results, who have not seen the person meanwhile, compute the same."""
    hidden = ZoneConfig(points=[(0.6, 0), (1, 0), (1, 1), (0.6, 1)], ignore=True)
    zones = Zones({"left": LEFT_HALF, "hidden": hidden}, SIZE)
    walk = [400, 700, 500 + STEP / 2]
    assert [zones_at(zones, x) for x in walk] == [("left",), None, ("left",)]
    assert [zones_at(Zones({"left": LEFT_HALF}, SIZE), x) for x in walk[2:]] == [()]


@given(
    corners=st.integers(3, 8),
    walk=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
    turn=st.floats(0, math.tau),
)
def test_zones_are_those_of_a_plain_loop_over_a_convex_polygons_sides(
    corners: int, walk: list[tuple[float, float]], turn: float
) -> None:
    points = [
        (0.5 + 0.4 * math.cos(turn + math.tau * n / corners), 0.5 + 0.4 * math.sin(turn + math.tau * n / corners))
        for n in range(corners)
    ]
    zones = Zones({"zone": ZoneConfig(points=points)}, SIZE)
    pixels = [(x * SIZE[0], y * SIZE[1]) for x, y in points]
    was_inside: bool | None = None
    for share_x, share_y in walk:
        x, y = share_x * SIZE[0], share_y * SIZE[1]
        inside = all(_left_of(pixels[n - 1], pixels[n], (x, y)) for n in range(corners))
        away = min(_distance(pixels[n - 1], pixels[n], (x, y)) for n in range(corners))
        if was_inside is None or away > STEP:
            was_inside = inside
        found = zones_at(zones, x, y)
        if min(away, abs(away - STEP)) > 1e-6:
            assert found == (("zone",) if was_inside else ())
        else:  # rounding decides
            was_inside = found == ("zone",)


def _left_of(start: tuple[float, float], end: tuple[float, float], point: tuple[float, float]) -> bool:
    along, to = (end[0] - start[0], end[1] - start[1]), (point[0] - start[0], point[1] - start[1])
    return along[0] * to[1] - along[1] * to[0] > 0


def _distance(start: tuple[float, float], end: tuple[float, float], point: tuple[float, float]) -> float:
    along = (end[0] - start[0], end[1] - start[1])
    share = ((point[0] - start[0]) * along[0] + (point[1] - start[1]) * along[1]) / (along[0] ** 2 + along[1] ** 2)
    share = min(max(share, 0.0), 1.0)
    return math.dist(point, (start[0] + share * along[0], start[1] + share * along[1]))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(0, 0), (1, 1)], "at least 3"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], r"outline crosses or touches itself near \[0.5, 0.5\]"),
        ([(0, 0), (0.5, 0.5), (1, 1)], "nearly on one line"),
        ([(0.3, 0.3), (0.3, 0.3), (0.3, 0.3)], "nearly on one line"),
        ([(0, 0), (1.1, 0), (1, 1)], "less than or equal to 1"),
        ([(0, 0), (float("nan"), 0), (1, 1)], "finite|greater than or equal to 0"),
        ([(n / 40, 0.5 + (n % 2) / 100) for n in range(33)], "at most 32"),
    ],
)
def test_a_polygon_that_is_none_is_an_error_that_says_why(points: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ZoneConfig(points=points)
