"""Which zones people are in: examples, and hypothesis against plain geometry."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream.rules.zones import BORDER, Place, Standing, Zones, foot_point
from stream.settings.zones import ZoneConfig

SIZE = (1000, 500)
LEFT_HALF = ZoneConfig(points=[(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
HEIGHT = 100.0
STEP = BORDER * HEIGHT


class Part(NamedTuple):
    part: str
    box: tuple[float, float, float, float]


def zones_at(zones: Zones, x: float, y: float = 250.0, track: int = 1) -> tuple[str, ...] | None:
    place = zones.update([Standing(track, (x, y), HEIGHT)]).get(track)
    return None if place is None else place.zones


def test_a_person_stands_between_both_feet_or_else_below_the_middle_of_the_box() -> None:
    box = (10.0, 20.0, 50.0, 120.0)
    feet = [Part("left_foot", (10, 100, 20, 110)), Part("head", (0, 0, 9, 9)), Part("right_foot", (30, 104, 40, 114))]
    assert foot_point(box, feet) == (25.0, 107.0)
    assert foot_point(box, feet[:2]) == foot_point(box, []) == (30.0, 120.0)


def test_a_person_is_in_each_zone_around_the_foot_point_in_the_configured_order() -> None:
    whole = ZoneConfig(points=[(0, 0), (1, 0), (1, 1), (0, 1)])
    zones = Zones({"whole": whole, "left": LEFT_HALF, "again": whole}, SIZE)
    places = zones.update([Standing(1, (100, 100), HEIGHT), Standing(2, (900, 100), HEIGHT)])
    assert places == {1: Place((100, 100), ("whole", "left", "again")), 2: Place((900, 100), ("whole", "again"))}


def test_a_concave_zone_does_not_contain_its_notch() -> None:
    notched = ZoneConfig(points=[(0, 0), (1, 0), (1, 1), (0.5, 0.2), (0, 1)])
    zones = Zones({"notched": notched}, SIZE)
    assert zones_at(zones, 500, 400) == () and zones_at(zones, 100, 100, track=2) == ("notched",)


def test_a_person_enters_and_leaves_once_the_foot_point_is_beyond_the_border_by_a_share_of_the_height() -> None:
    zones = Zones({"left": LEFT_HALF}, SIZE)
    walk = [500 + 2 * STEP, 500, 500 - 0.9 * STEP, 500 - 1.1 * STEP, 500 + 0.9 * STEP, 500 + 1.1 * STEP]
    assert [zones_at(zones, x) for x in walk] == [(), (), (), ("left",), ("left",), ()]


def test_a_foot_point_that_trembles_at_the_border_changes_no_zone() -> None:
    tremble = random.Random(0)
    zones = Zones({"left": LEFT_HALF}, SIZE)
    zones_at(zones, 400)
    assert {zones_at(zones, 500 + tremble.uniform(-STEP, STEP) * 0.99) for _ in range(500)} == {("left",)}


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
        ([(0, 0), (0.5, 0.5), (1, 1)], "almost no area|crosses or touches itself"),
        ([(0, 0), (0, 0), (0, 0)], "almost no area|crosses or touches itself"),
        ([(0, 0), (1.1, 0), (1, 1)], "less than or equal to 1"),
        ([(0, 0), (float("nan"), 0), (1, 1)], "greater than or equal to 0|finite"),
        ([(n / 70, 0.5 + (n % 2) / 100) for n in range(65)], "at most 64"),
    ],
)
def test_a_polygon_that_is_none_is_an_error_that_says_why(points: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ZoneConfig(points=points)
