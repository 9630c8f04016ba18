"""Tests of slopes and their intervals."""

from __future__ import annotations

import random

import pytest

from benchmarks.slopes import slope


def wandering(count: int, seed: int, step: float = 1.0, keeps: float = 0.8) -> list[float]:
    """Noise whose neighbours are alike."""
    source, value, values = random.Random(seed), 0.0, list[float]()
    for _ in range(count):
        value = keeps * value + source.gauss(0, step)
        values.append(value)
    return values


@pytest.mark.parametrize("count", [40, 59, 96, 2000])
def test_a_slope_beyond_the_noise_is_found_and_its_interval_is_above_0(count: int) -> None:
    values = [100 + 3 * at + noise for at, noise in enumerate(wandering(count, 1))]
    found = slope(range(count), values)
    assert found is not None
    assert 0 < found.low < found.estimate < found.high
    assert found.estimate == pytest.approx(3, rel=0.1)


def test_noise_whose_neighbours_are_alike_is_rarely_taken_for_a_slope() -> None:
    found = [slope(range(400), wandering(400, seed)) for seed in range(40)]
    assert sum(one is not None and one.low <= 0 <= one.high for one in found) >= 32


def test_few_samples_and_samples_at_one_place_give_no_slope() -> None:
    assert slope(range(39), [0.0] * 39) is None
    assert slope([1.0] * 100, range(100)) is None
