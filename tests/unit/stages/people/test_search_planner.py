"""Which view of a camera's picture is searched in each frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ring_buffers.frames import FrameMeta, SlotFormat
from stages.looks import Region, search_views
from stages.people.look_planner import FIRST_ROUND_US, SearchPlanner

SIZE = (1280, 720)
VIEWS = search_views(SIZE)
STEP_US = 80_000
ROUND_S = 14.0
SPACING_US = round(ROUND_S * 1e6) // len(VIEWS)


def frame(media_us: int, size: tuple[int, int] = SIZE) -> FrameMeta:
    format = SlotFormat("planes", size, size, motion=True)
    return FrameMeta("hall", 1, media_us // STEP_US, media_us, media_us, "media", 0, 0, size, format)


Rarity = Callable[[int], int]


def searched(
    times_us: Iterable[int], phase: float = 0.0, rarity: Rarity = lambda media_us: 1, size: tuple[int, int] = SIZE
) -> list[tuple[int, Region]]:
    """Return when which view is searched, in frames at these times after the epoch's first one at 0."""
    planner = SearchPlanner(ROUND_S, phase)
    planner.begin(frame(0, size))
    found: list[tuple[int, Region]] = []
    for media_us in times_us:
        meta = frame(media_us, size)
        planner.begin(meta)
        view = planner.due(meta, rarity(media_us))
        assert view == planner.due(meta, rarity(media_us)), "asking changes nothing"
        if view is not None:
            planner.searched(meta)
            assert planner.due(meta, rarity(media_us)) is None, "one view a frame"
            found.append((media_us, view))
    return found


def frames(seconds: float, begin_us: int = STEP_US) -> range:
    return range(begin_us, round(seconds * 1e6), STEP_US)


def test_the_first_round_begins_with_the_whole_picture_in_the_second_frame_and_is_quick() -> None:
    found = searched(frames(5))[: len(VIEWS)]
    assert [view for _, view in found] == list(VIEWS)
    assert found[0] == (STEP_US, VIEWS[0])
    assert found[-1][0] <= FIRST_ROUND_US
    gaps = [after - before for (before, _), (after, _) in pairwise(found)]
    assert min(gaps) > STEP_US, "not in successive frames"


def test_later_rounds_are_spread_evenly_over_the_set_time() -> None:
    found = searched(frames(100))[len(VIEWS) :]
    assert [view for _, view in found] == [VIEWS[number % len(VIEWS)] for number in range(len(found))]
    gaps = [after - before for (before, _), (after, _) in pairwise(found)]
    assert len(gaps) > 40
    assert all(abs(gap - SPACING_US) < STEP_US for gap in gaps)


def test_calm_rounds_are_lengthened_by_the_rarity_until_motion_resumes() -> None:
    calm_us = range(20_000_000, 200_000_000)
    found = [at for at, _ in searched(frames(240), rarity=lambda at: 4 if at in calm_us else 1)]
    calm = [at for at in found if at in calm_us]
    assert all(abs(after - before - 4 * SPACING_US) < STEP_US for before, after in pairwise(calm[1:]))
    assert min(at for at in found if at >= calm_us.stop) < calm_us.stop + SPACING_US


def test_cameras_that_begin_or_pause_together_do_not_search_together() -> None:
    times = [*frames(60), *frames(160, 100_000_000), *frames(360, 300_000_000)]
    cameras = [[at for at, _ in searched(times, phase)] for phase in (0.0, 0.2, 0.4, 0.6, 0.8)]
    counts = [len(one) for one in cameras]
    assert max(counts) - min(counts) <= 3, "nearly as often"
    together = Counter(at for one in cameras for at in one)
    # Each of them searches a view that is late in the first frame after a pause.
    after_pauses = {100_000_000, 300_000_000}
    assert {at for at, count in together.items() if count > 1 and at > FIRST_ROUND_US} <= after_pauses


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=200), st.floats(0, 0.99))
def test_views_are_searched_in_turn_and_no_more_than_are_due(gaps: list[int], phase: float) -> None:
    times, at = list[int](), 0
    for gap in gaps:
        at += gap
        times.append(at)
    found = searched(times, phase)
    assert [view for _, view in found] == [VIEWS[number % len(VIEWS)] for number in range(len(found))]
    assert len(found) <= len(VIEWS) + at // SPACING_US + 1
