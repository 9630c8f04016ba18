"""Tests of the search for the largest number of cameras."""

from __future__ import annotations

import pytest

from benchmarks.engine.camera_search import PRECISION, CameraSearch


def tried(capacity: int, most: int = 64, guess: int | None = None) -> tuple[int, list[int]]:
    """Search an engine that sustains `capacity` cameras; return what is found and the numbers tried, in order."""
    search, numbers = CameraSearch(most), list[int]()
    while (cameras := search.next()) is not None:
        numbers.append(cameras)
        search.record(cameras, cameras <= capacity)
        if guess is not None and len(numbers) == 1:
            search.expect(guess)
    return search.found, numbers


@pytest.mark.parametrize(
    ("capacity", "numbers"),
    [(0, [1]), (1, [1, 2]), (3, [1, 2, 4, 3]), (6, [1, 2, 4, 8, 6, 7]), (16, [1, 2, 4, 8, 16, 32, 24, 20, 18, 17])],
)
def test_without_a_guess_numbers_double_and_then_the_interval_is_halved(capacity: int, numbers: list[int]) -> None:
    assert tried(capacity) == (capacity, numbers)


@pytest.mark.parametrize(
    ("capacity", "guess", "numbers"),
    [
        (24, 26, [1, 26, 20, 23, 24, 25]),
        (24, 20, [1, 20, 25, 22, 23, 24]),
        (24, 60, [1, 60, 45, 15, 30, 22, 26, 24, 25]),
        (3, 1, [1, 2, 4, 3]),
    ],
)
def test_from_a_guess_growing_steps_lead_up_or_down(capacity: int, guess: int, numbers: list[int]) -> None:
    assert tried(capacity, guess=guess) == (capacity, numbers)


@pytest.mark.parametrize("guess", [None, *range(1, 61)])
def test_every_capacity_is_found_from_any_guess_and_no_number_is_tried_twice(guess: int | None) -> None:
    for capacity in range(60):
        found, numbers = tried(capacity, most=60, guess=guess)
        assert found <= capacity <= found + max(0, found // PRECISION - 1), (capacity, numbers)
        assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("guess", [None, 7, 100])
def test_no_more_than_the_largest_number_is_tried(guess: int | None) -> None:
    found, numbers = tried(100, most=10, guess=guess)
    assert found == max(numbers) == 10


def test_a_number_that_fails_when_it_is_tried_again_counts_as_failed() -> None:
    search = CameraSearch(64)
    for cameras, sustained in ((1, True), (2, True), (4, False), (3, True)):
        assert search.next() == cameras
        search.record(cameras, sustained)
    assert (search.found, search.next()) == (3, None)
    search.record(3, False)
    assert (search.found, search.next()) == (2, None)
