"""Linking people over frames by their boxes: one-to-one, over gaps, in any order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.annotated_videos.known_people import link_people

Boxes = NDArray[np.float64]
SIZE = 40
COUNTS = st.lists(st.integers(0, 5), min_size=1, max_size=8)


def at(*corners: Sequence[float] | Boxes) -> Boxes:
    """Return boxes of one size at these corners."""
    return np.array([(x, y, x + SIZE - 1, y + SIZE - 1) for x, y in corners], np.float64).reshape(-1, 4)


def linked(indices: list[int], boxes: list[Boxes]) -> list[list[int]]:
    return [found.tolist() for found in link_people(indices, boxes)]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[int], list[Boxes]]:
    """Draw ascending indices, and boxes in each frame that are close enough to overlap."""
    boxes = [at(*draw(st.lists(st.tuples(*[st.integers(0, 90)] * 2), max_size=count))) for count in draw(COUNTS)]
    steps = draw(st.lists(st.integers(1, 20), min_size=len(boxes), max_size=len(boxes)))
    return list(itertools.accumulate(steps)), boxes


def test_people_keep_their_identity_when_the_order_of_a_frame_changes() -> None:
    boxes = [at((0, 0), (100, 0)), at((103, 2), (2, 1)), at((4, 2), (105, 3))]
    assert linked([1, 2, 5], boxes) == [[0, 1], [1, 0], [0, 1]]


def test_a_person_who_is_missing_briefly_keeps_their_identity() -> None:
    boxes = [at((0, 0), (100, 0)), at((100, 0)), at((100, 0)), at((100, 0), (3, 3))]
    assert linked([1, 11, 21, 31], boxes) == [[0, 1], [1], [1], [1, 0]]


def test_after_too_long_a_gap_a_person_gets_a_new_identity() -> None:
    assert linked([1, 31], [at((0, 0)), at((0, 0))]) == [[0], [0]]
    assert linked([1, 32], [at((0, 0)), at((0, 0))]) == [[0], [1]]


def test_the_assignment_is_best_for_all_people_together() -> None:
    # The box at 12 overlaps both people. Assigned in order, person 0 would take it, and person 1 would have none.
    assert linked([1, 2], [at((0, 0), (20, 0)), at((12, 0), (-16, 0))]) == [[0, 1], [1, 0]]


@given(scenes())
def test_identities_are_distinct_in_a_frame_and_numbered_by_appearance(scene: tuple[list[int], list[Boxes]]) -> None:
    found = linked(*scene)
    assert [len(frame) for frame in found] == [len(boxes) for boxes in scene[1]]
    assert all(len(set(frame)) == len(frame) for frame in found)
    appeared = list(dict.fromkeys(itertools.chain.from_iterable(sorted(frame) for frame in found)))
    assert appeared == list(range(len(appeared)))
