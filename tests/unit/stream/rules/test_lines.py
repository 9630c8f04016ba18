"""Which lines people cross: examples, and hypothesis against the definition."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream.rules.lines import Crossing, Lines
from stream.rules.zones import BORDER
from stream.settings.zones import LineConfig

SIZE = (1000, 500)
FENCE = LineConfig(points=((0.5, 0.2), (0.5, 0.8)))  # downwards at x 500, from y 100 to 400: its left is at x > 500
HEIGHT = 100.0
STEP = BORDER * HEIGHT


class Standing(NamedTuple):
    track: int
    box: tuple[float, float, float, float]
    foot: tuple[float, float]


def standing(x: float, y: float = 250.0, track: int = 1) -> Standing:
    """A person `HEIGHT` tall who stands at x, y."""
    return Standing(track, (x - 20, y - HEIGHT, x + 20, y), (x, y))


def walk(lines: Lines, *points: tuple[float, float]) -> list[tuple[Crossing, ...]]:
    """Return what a person crosses in each frame of a walk."""
    return [lines.update([standing(x, y)]).get(1, ()) for x, y in points]


def test_a_person_crosses_once_beyond_the_line_by_a_share_of_the_height_and_to_the_side_they_are_on_then() -> None:
    xs = [450, 499, 500, 500 + 0.9 * STEP, 500 + 1.1 * STEP, 550, 500 - 0.9 * STEP, 500 - 1.1 * STEP, 400]
    there, back = (("fence", "left"),), (("fence", "right"),)
    assert walk(Lines({"fence": FENCE}, SIZE), *((x, 250) for x in xs)) == [(), (), (), (), there, (), (), back, ()]


@pytest.mark.parametrize(
    ("points", "side"),
    [(((0.2, 0.5), (0.8, 0.5)), "right"), (((0.8, 0.5), (0.2, 0.5)), "left"), (((0.3, 0.3), (0.7, 0.7)), "right")],
)
def test_left_and_right_are_as_seen_from_the_start_of_the_line(
    points: tuple[tuple[float, float], tuple[float, float]], side: str
) -> None:
    lines = Lines({"line": LineConfig(points=points)}, SIZE)
    assert walk(lines, (500, 200), (500, 300))[1] == (("line", side),), "from above the line to below it"


def test_a_person_who_walks_around_the_end_of_a_line_crosses_nothing() -> None:
    around = [(450, 250), (450, 80), (550, 80), (550, 250), (550, 420), (450, 420), (450, 250)]
    assert walk(Lines({"fence": FENCE}, SIZE), *around) == [()] * 7


def test_a_person_who_walks_along_the_line_crosses_it_where_they_pass_it() -> None:
    along = [(450, 250), (499, 250), (499, 90), (502, 90), (550, 90)]
    assert walk(Lines({"fence": FENCE}, SIZE), *along) == [()] * 5, "around its end, close to it"
    through = [(450, 250), (499, 250), (501, 250), (501, 90), (550, 90)]
    assert walk(Lines({"fence": FENCE}, SIZE), *through)[-1] == (("fence", "left"),)


@pytest.mark.parametrize("start", [450, 550])
def test_a_foot_point_that_trembles_on_the_line_crosses_nothing(start: int) -> None:
    tremble = random.Random(0)
    points = [(start, 250.0), *((500 + 0.99 * tremble.uniform(-STEP, STEP), 250.0) for _ in range(500))]
    assert not any(walk(Lines({"fence": FENCE}, SIZE), *points))


def test_the_first_frame_of_a_track_crosses_nothing_also_after_its_number_was_forgotten() -> None:
    lines = Lines({"fence": FENCE}, SIZE)
    assert walk(lines, (450, 250)) == [()]
    assert lines.update([standing(550)], ended=[1]) == {}


def test_a_person_who_was_not_seen_for_some_frames_has_crossed_the_line_meanwhile() -> None:
    lines = Lines({"fence": FENCE}, SIZE)
    walk(lines, (450, 250))
    lines.update([])
    assert lines.update([standing(550)]) == {1: (("fence", "left"),)}


def test_several_lines_can_be_crossed_in_one_frame_by_several_people() -> None:
    lines = Lines({"gate": LineConfig(points=((0.52, 0), (0.52, 1))), "fence": FENCE}, SIZE)
    lines.update([standing(400), standing(600, track=2), standing(600, track=3)])
    crossed = lines.update([standing(600), standing(510, track=2), standing(601, track=3)])
    assert crossed == {1: (("fence", "left"), ("gate", "left")), 2: (("gate", "right"),)}


def test_a_line_near_the_edge_of_the_picture_can_be_crossed() -> None:
    lines = Lines({"door": LineConfig(points=((0, 0.998), (1, 0.998)))}, SIZE)  # a pixel above the lower edge
    assert walk(lines, (500, 400), (500, 499.2), (500, 499.8), (500, 499.2), (500, 400)) == [
        (), (), (("door", "right"),), (), (("door", "left"),)
    ]  # fmt: skip


@given(
    ends=st.tuples(*[st.floats(0.02, 0.98)] * 4).filter(lambda e: abs(e[0] - e[2]) + abs(e[1] - e[3]) > 0.05),
    points=st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 500)), min_size=2, max_size=15),
)
def test_with_long_strides_exactly_the_strides_that_intersect_the_line_cross_it(
    ends: tuple[float, float, float, float], points: list[tuple[float, float]]
) -> None:
    """Strides between points that are all further from the endless line than the border."""
    start, end = (ends[0] * SIZE[0], ends[1] * SIZE[1]), (ends[2] * SIZE[0], ends[3] * SIZE[1])
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    far = [point for point in points if abs(_turn(start, end, point)) > (STEP + 1e-6) * length]
    found = walk(Lines({"line": LineConfig(points=((ends[0], ends[1]), (ends[2], ends[3])))}, SIZE), *far)
    for before, now, crossed in zip(far, far[1:], found[1:], strict=False):
        own = _turn(before, now, start), _turn(before, now, end)
        if min(map(abs, own)) < 1e-3:
            continue  # rounding decides
        apart = _turn(start, end, before) * _turn(start, end, now) < 0
        side = "right" if _turn(start, end, now) > 0 else "left"
        assert crossed == ((("line", side),) if apart and own[0] * own[1] < 0 else ())
    assert found[:1] in ([], [()])


def _turn(start: tuple[float, float], end: tuple[float, float], point: tuple[float, float]) -> float:
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(0, 0)], "Field required|at least 2"),
        ([(0, 0), (0.5, 0.5), (1, 1)], "at most 2"),
        ([(0.5, 0.5), (0.505, 0.505)], "must be at least 0.01 apart"),
        ([(0, 0), (1.1, 0)], "less than or equal to 1"),
        ([(0, 1), (1, 1)], "the line is the edge of the picture"),
    ],
)
def test_a_line_that_is_none_is_an_error_that_says_why(points: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LineConfig.model_validate({"points": points})
