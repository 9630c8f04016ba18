"""Tests of how results are assigned to frames, and of the cores on which processes run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cameras.camera_client import Sent
from benchmarks.engine.end_to_end_trial import Placement, frame_numbers, place, results_of

MS = 1_000_000
FPS = 5
FRAME_NS = 200 * MS
WINDOW = (10 * FRAME_NS, 20 * FRAME_NS)
MEDIA_US = 77_000_000
"""Media time at which frame 0 would have been sent, if it had been on the grid."""


def sent(count: int, cameras: int = 1, sessions: int = 1) -> Sent:
    """Return cameras that sent `count` frames on their grid, from time 0."""
    return Sent([np.arange(count, dtype=np.int64) * FRAME_NS] * cameras, [sessions] * cameras)


def results(numbers: list[int], age_ms: int = 50, epoch: int = 1, undecoded: int = 0) -> np.ndarray:
    """Return the rows of results for frames sent. The engine's numbers leave out `undecoded` of the later frames."""
    rows = [
        (epoch, index, n * FRAME_NS + age_ms * MS, n - (undecoded if index else 0), MEDIA_US + n * 200_000)
        for index, n in enumerate(numbers)
    ]
    return np.array(rows, np.int64).reshape(-1, 5)


def test_the_results_of_frames_sent_in_the_measured_time_are_due_and_have_their_age() -> None:
    due, ages_ms = results_of(sent(30), [results(list(range(1, 30)), age_ms=70)], WINDOW, FPS)
    assert due == 10
    assert ages_ms.tolist() == [70.0] * 10


def test_missing_results_and_those_of_other_frames_do_not_count() -> None:
    due, ages_ms = results_of(sent(30), [results([1, 2, 9, 10, 11, 19, 20, 21])], WINDOW, FPS)
    assert (due, len(ages_ms)) == (10, 3)


def test_the_results_of_frames_that_a_starved_camera_never_sent_are_due() -> None:
    assert results_of(sent(14), [results(list(range(1, 14)))], WINDOW, FPS)[0] == 9


def test_a_camera_that_was_opened_again_has_no_results() -> None:
    due, ages_ms = results_of(sent(30, sessions=2), [results(list(range(1, 30)))], WINDOW, FPS)
    assert (due, len(ages_ms)) == (10, 0)


def test_frames_are_told_by_media_time_where_the_engine_could_not_decode_some() -> None:
    assert frame_numbers(results([3, 8, 9, 12], undecoded=2), FPS).tolist() == [3, 8, 9, 12]


def test_the_first_frame_which_is_not_on_the_grid_and_other_epochs_have_no_number() -> None:
    rows = np.concatenate([results([0, 1, 2]), results([5, 6], epoch=2)])
    rows[0, 4] -= 90_000
    assert frame_numbers(rows, FPS).tolist() == [-1, 1, 2, -1, -1]


@pytest.mark.parametrize(
    ("cores", "usable", "placement", "shared"),
    [
        (1, [0, 1], Placement((0,), (1,)), False),
        (2, [0, 1], Placement((0, 1), (0, 1)), True),
        (2, [2, 3, 5, 7], Placement((2, 3), (5, 7)), False),
        (1, [4], Placement((4,), (4,)), True),
    ],
)
def test_cameras_run_on_the_cores_that_the_engine_leaves(
    cores: int, usable: list[int], placement: Placement, shared: bool
) -> None:
    assert place(cores, usable) == placement
    assert placement.shared is shared
