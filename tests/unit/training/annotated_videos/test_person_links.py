"""Linking people over frames by their boxes: one-to-one, over gaps, in any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.annotated_videos.step_labels import link_people

Boxes = NDArray[np.float64]
SIZE = 40


def at(*corners: Sequence[float] | Boxes) -> Boxes:
    """Return boxes of one size at these corners."""
    return np.array([(x, y, x + SIZE - 1, y + SIZE - 1) for x, y in corners], np.float64).reshape(-1, 4)


def linked(indices: list[int], boxes: list[Boxes]) -> list[list[int]]:
    return [found.tolist() for found in link_people(indices, boxes)]


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
