"""Linking people over frames by their boxes: one-to-one, over gaps, in any order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.annotated_videos.person_links import box_iou, link_people

Boxes = NDArray[np.float64]
SIZE = 40
COUNTS = st.lists(st.integers(0, 5), min_size=1, max_size=8)


def at(*corners: Sequence[float] | Boxes) -> Boxes:
    """Return boxes of one size at these corners."""
    return np.array([(x, y, x + SIZE - 1, y + SIZE - 1) for x, y in corners], np.float64).reshape(-1, 4)


def linked(indices: list[int], boxes: list[Boxes], **options: float) -> list[list[int]]:
    return [found.tolist() for found in link_people(indices, boxes, **options)]  # pyright: ignore[reportArgumentType]


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
    assert linked([1, 7], [at((0, 0)), at((0, 0))], longest_gap=5) == [[0], [1]]


def test_a_person_who_appears_elsewhere_gets_a_new_identity() -> None:
    assert linked([1, 2], [at((0, 0)), at((200, 0))]) == [[0], [1]]
    assert linked([1, 2], [at((0, 0)), at((30, 30))]) == [[0], [1]], "an IoU of 0.03 is too small"


def test_the_assignment_is_best_for_all_people_together() -> None:
    # The box at 12 overlaps both people. Assigned in order, person 0 would take it, and person 1 would have none.
    assert linked([1, 2], [at((0, 0), (20, 0)), at((12, 0), (-16, 0))]) == [[0, 1], [1, 0]]


def test_frames_without_people_and_videos_without_frames_are_accepted() -> None:
    assert linked([], []) == []
    assert linked([1, 2, 3], [at(), at((0, 0)), at()]) == [[], [0], []]


@pytest.mark.parametrize(
    ("indices", "boxes", "options", "words"),
    [
        ([1, 1], [at(), at()], {}, "must ascend"),
        ([2, 1], [at(), at()], {}, "must ascend"),
        ([1], [], {}, "1 frame indices but boxes for 0 frames"),
        ([1], [at()], {"least_iou": 0.0}, "least_iou must be above 0"),
    ],
)
def test_invalid_input_is_rejected(
    indices: list[int], boxes: list[Boxes], options: dict[str, float], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        linked(indices, boxes, **options)


@given(scenes())
def test_identities_are_distinct_in_a_frame_and_numbered_by_appearance(scene: tuple[list[int], list[Boxes]]) -> None:
    found = linked(*scene)
    assert [len(frame) for frame in found] == [len(boxes) for boxes in scene[1]]
    assert all(len(set(frame)) == len(frame) for frame in found)
    appeared = list(dict.fromkeys(itertools.chain.from_iterable(sorted(frame) for frame in found)))
    assert appeared == list(range(len(appeared)))


@given(scenes())
def test_linked_people_overlap_and_were_seen_recently(scene: tuple[list[int], list[Boxes]]) -> None:
    last: dict[int, tuple[int, Boxes]] = {}
    for index, boxes, frame in zip(*scene, linked(*scene)):
        for box, identity in zip(boxes, frame):
            if identity in last:
                seen, where = last[identity]
                assert index - seen <= 30
                assert box_iou(where[None], box[None])[0, 0] >= 0.2
            last[identity] = (index, box)


@given(scenes(), st.data())
def test_separate_people_are_linked_in_any_order(scene: tuple[list[int], list[Boxes]], data: st.DataObject) -> None:
    """Boxes on a coarse grid are either equal or apart, so there is one best assignment."""
    indices = scene[0]
    boxes = [at(*np.unique(frame[:, :2] // 60 * 60, axis=0)) for frame in scene[1]]
    order = [data.draw(st.permutations(range(len(frame)))) for frame in boxes]
    plain = linked(indices, boxes)
    mixed = linked(indices, [frame[list(way)] for frame, way in zip(boxes, order)])
    again = [[frame[place] for place in way] for frame, way in zip(plain, order)]
    assert same_people(mixed) == same_people(again)


def same_people(found: list[list[int]]) -> list[list[int]]:
    """Return the identities, renumbered in the order of reading."""
    names: dict[int, int] = {}
    return [[names.setdefault(identity, len(names)) for identity in frame] for frame in found]


@given(scenes(), st.integers(-500, 500), st.integers(0, 10**6))
def test_shifting_the_frame_or_the_time_changes_no_identity(
    scene: tuple[list[int], list[Boxes]], shift: int, later: int
) -> None:
    moved = [boxes + shift for boxes in scene[1]]
    assert linked([index + later for index in scene[0]], moved) == linked(*scene)


@given(st.integers(2, 6), st.integers(1, 10), st.floats(0, 8), st.floats(0, 8))
def test_people_who_walk_far_apart_keep_their_identities(people: int, frames: int, dx: float, dy: float) -> None:
    boxes = [at(*[(100.0 * person + dx * t, dy * t) for person in range(people)]) for t in range(frames)]
    assert linked(list(range(1, frames + 1)), boxes) == [list(range(people))] * frames


def test_iou_includes_the_last_pixel_and_is_zero_without_overlap() -> None:
    a = np.array([[0, 0, 9, 9], [5, 5, 5, 5]], np.float64)
    b = np.array([[0, 0, 9, 9], [5, 0, 14, 9], [10, 0, 19, 9], [5, 5, 5, 5]], np.float64)
    assert box_iou(a, b).tolist() == [[1.0, 1 / 3, 0.0, 0.01], [0.01, 0.01, 0.0, 1.0]]
