"""Tests of medians, intervals and outcomes."""

import math
import random

import pytest

from benchmarks import stats


def test_the_interval_of_nine_values_reaches_from_the_second_smallest_to_the_second_largest() -> None:
    value = stats.estimate([9, 1, 8, 2, 7, 3, 6, 4, 5])
    assert (value.median, value.low, value.high, value.n) == (5, 2, 8, 9)


def test_under_six_values_give_a_median_and_no_interval() -> None:
    assert stats.estimate([1.0, 2.0, 3.0, 4.0, 5.0]) == stats.Estimate(3.0, None, None, 5)
    assert stats.estimate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).low == 1.0
    assert math.isnan(stats.estimate([]).median)


@pytest.mark.parametrize("n", [6, 9, 20])
def test_the_interval_holds_the_true_median_in_at_least_95_of_100_samples(n: int) -> None:
    source = random.Random(7)
    trials = 2000
    held = 0
    for _ in range(trials):
        value = stats.estimate([source.expovariate(1.0) for _ in range(n)])
        assert value.low is not None and value.high is not None
        held += value.low <= math.log(2) <= value.high
    assert held / trials > 0.94


def test_a_limit_is_met_only_if_the_whole_interval_is_within() -> None:
    values = [1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.09, 1.30]
    assert stats.at_most(stats.estimate(values), 1.10) == "met"
    values[-2] = 1.2
    assert stats.at_most(stats.estimate(values), 1.10) == "not resolved"
    assert stats.at_most(stats.estimate([value + 0.2 for value in values]), 1.10) == "missed"
    assert stats.at_least(stats.estimate(values), 1.01) == "met"
    assert stats.at_least(stats.estimate(values), 1.5) == "missed"
    assert stats.at_most(stats.estimate([1.0, 1.0, 1.0]), 1.10) == "not resolved"
