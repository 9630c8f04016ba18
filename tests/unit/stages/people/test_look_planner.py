"""What the detector looks at in each frame of a camera."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ring_buffers.frames import FrameMeta, SlotFormat
from ring_buffers.motion.motion_map import MotionMap
from stages.detection.views.covering import Box
from stages.looks import NOTHING, WHOLE, Look
from stages.people.look_planner import CALM, REST_US, LookPlanner

SIZE = (1280, 720)
FORMAT = SlotFormat("planes", SIZE, (768, 432), target=(768, 448), motion=True)
COLUMNS, ROWS = 40, 22
STEP_US = 80_000
STILL = MotionMap.of(np.zeros((ROWS, COLUMNS), np.bool_), 1)
PERSON: Box = (600.0, 300.0, 660.0, 460.0)


def frame(number: int, motion: MotionMap | None = STILL, step_us: int = STEP_US) -> FrameMeta:
    at = number * step_us
    return FrameMeta("hall", 1, number, at, at, "media", 0, 0, SIZE, FORMAT, motion)


def motion_at(column: int, row: int, scene: int = 1, side: int = 2) -> MotionMap:
    moving = np.zeros((ROWS, COLUMNS), np.bool_)
    moving[row : row + side, column : column + side] = True
    return MotionMap.of(moving, scene)


def planner(compare: bool = True, sweep_s: float = 5.0) -> LookPlanner:
    """A planner that has looked at its first frame."""
    made = LookPlanner(compare, sweep_s)
    first = frame(0, MotionMap.whole(COLUMNS, ROWS, 1))
    assert made.plan(first, []) == WHOLE
    made.looked(first, WHOLE)
    return made


def shown(look: Look, box: Box) -> bool:
    return any(
        region.left <= box[0]
        and region.top <= box[1]
        and box[2] <= region.left + region.side
        and box[3] <= region.top + region.side
        for region in look.regions
    )


def test_where_nothing_moves_and_nobody_is_tracked_it_looks_nowhere_until_the_sweep() -> None:
    made = planner(sweep_s=5.0)
    looks = [made.plan(frame(number), []) for number in range(1, 64)]
    assert looks[:61] == [NOTHING] * 61
    assert looks[62] == WHOLE  # 63 x 80 ms


def sweeps(
    phase: float = 0.0, moves: Collection[int] = (), tracked: Collection[int] = (), search_s: float | None = None
) -> list[int]:
    """Return which of a thousand frames are seen as a whole at a `sweep_s` of 4 s, which are 50 frames.

    `moves`: frames in which something moves; `tracked`: those in which somebody is tracked.
    """
    made = LookPlanner(True, 4.0, phase, search_s=search_s)
    found: list[int] = []
    for number in range(1000):
        motion = motion_at(5, 5) if number in moves else STILL if number else MotionMap.whole(COLUMNS, ROWS, 1)
        meta = frame(number, motion)
        look = made.plan(meta, [(PERSON, 0.08)] if number in tracked else [])
        if view := made.search_view(meta):
            look = look.with_search(view)
        if look.anything:
            made.looked(meta, look)
        if look.whole:
            found.append(number)
    return found


def test_a_calm_scene_is_swept_ever_more_rarely_up_to_a_limit() -> None:
    assert sweeps() == [0, 50, 150, 350, 550, 750, 950]


def test_a_scene_in_which_something_moves_or_somebody_is_tracked_is_swept_at_the_set_interval() -> None:
    always = list(range(0, 1000, 50))
    assert sweeps(moves=range(1000)) == always
    assert sweeps(tracked=range(1000)) == always


def test_a_sweep_that_is_due_is_left_to_the_newest_frame_unless_there_is_something_to_look_at() -> None:
    made = planner(sweep_s=4.0)
    assert [made.plan(frame(number), [], newest=False) for number in range(49, 55)] == [NOTHING] * 6
    assert made.plan(frame(55), []) == WHOLE
    made.looked(frame(55), WHOLE)
    assert made.plan(frame(56), []) == NOTHING
    moving = planner(sweep_s=4.0)
    assert moving.plan(frame(50, motion_at(5, 5)), [], newest=False) == WHOLE
    assert moving.plan(frame(50, MotionMap.whole(COLUMNS, ROWS, 2)), [], newest=False) == WHOLE


@given(st.sets(st.integers(1, 999), max_size=30), st.floats(0, 0.99))
def test_no_scene_is_left_without_a_sweep_for_longer_than_is_promised(moves: set[int], phase: float) -> None:
    found = sweeps(phase, moves)
    for before, after in pairwise([*found, 1000]):
        assert after - before <= CALM * 50
        moved = [number for number in moves if before < number < after]
        assert not moved or after - min(moved) <= 50


def test_cameras_that_begin_together_sweep_at_different_times_and_equally_often() -> None:
    assert sweeps(0.5, range(1000)) == [0, 25, *range(75, 1000, 50)]
    assert sweeps(0.5) == [0, 25, 100, 250, 450, 650, 850], "half of the longest interval after the others"


def test_motion_and_tracked_people_are_in_regions_and_a_tracked_person_is_never_left_out() -> None:
    made = planner()
    for number in range(1, 60):
        look = made.plan(frame(number), [(PERSON, 0.08)])
        assert shown(look, PERSON)
        made.looked(frame(number), look)
    look = made.plan(frame(60, motion_at(2, 2)), [(PERSON, 0.08)])
    assert len(look.regions) == 2 and shown(look, PERSON) and shown(look, (64.0, 64.0, 128.0, 128.0))


def test_motion_that_is_nobodys_rests_after_a_look_and_new_motion_beside_it_does_not() -> None:
    made = planner()
    tree = motion_at(5, 5)
    first = made.plan(frame(10, tree), [])
    assert len(first.regions) == 1
    made.looked(frame(10, tree), first)
    rest = -(-REST_US // STEP_US)
    assert [made.plan(frame(10 + n, tree), []) for n in range(1, rest)] == [NOTHING] * (rest - 1)
    assert made.plan(frame(11, motion_at(30, 5)), []).regions
    assert made.plan(frame(10 + rest, tree), []).regions


def test_a_new_scene_is_looked_at_as_a_whole_even_if_its_first_frame_was_dropped() -> None:
    made = planner()
    assert made.plan(frame(5, MotionMap.of(np.zeros((ROWS, COLUMNS), np.bool_), 2)), []) == WHOLE
    assert made.plan(frame(5, STILL), []) == NOTHING


def test_the_whole_picture_is_seen_where_regions_would_cost_more_unless_only_regions_are_wanted() -> None:
    crowd = [
        ((20.0 + 150 * n, 100.0 + 150 * m, 60.0 + 150 * n, 200.0 + 150 * m), 0.08) for n in range(8) for m in range(4)
    ]
    assert planner().plan(frame(1), crowd) == WHOLE
    assert len(planner(compare=False).plan(frame(1), crowd).regions) > 5


@given(st.lists(st.tuples(st.floats(-50, 1300), st.floats(-50, 740), st.floats(1, 700)), max_size=80))
def test_a_frame_costs_no_more_than_the_whole_picture_whatever_is_tracked(
    people: list[tuple[float, float, float]],
) -> None:
    boxes: list[tuple[Box, float]] = [((x, y, x + side / 2, y + side), 0.08) for x, y, side in people]
    look = planner().plan(frame(10, motion_at(3, 3, side=4)), boxes)
    assert look.anything
    assert sum(math.prod(region.seen()) for region in look.regions) <= 768 * 448


def test_second_looks_are_no_more_often_than_configured() -> None:
    made = LookPlanner(True, 5.0, second_looks=4.0)
    made.looked(frame(0), WHOLE)
    given: list[int] = []
    for number in range(1, 101):
        count = made.second_looks(frame(number))
        made.looked(frame(number), replace(WHOLE, second_looks=count))
        given.append(count)
    assert max(given) == 1 and 20 <= sum(given) <= 100 * STEP_US * 4e-6
    assert LookPlanner(True, 5.0).second_looks(frame(1000)) == 0, "none configured"
