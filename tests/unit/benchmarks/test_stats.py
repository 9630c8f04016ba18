"""Tests of medians, intervals and outcomes."""

import math
import random

import pytest

from benchmarks import stats


def test_the_interval_of_nine_values_reaches_from_the_second_smallest_to_the_second_largest() -> None:
    value = stats.estimate([9, 1, 8, 2, 7, 3, 6, 4, 5])
    assert (value.median, value.low, value.high, value.n) == (5, 2, 8, 9)


def test_under_six_values_give_a_median_and_no_interval() -> None:
    value = stats.estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert value.median == 3.0
    assert value.low is None and value.high is None
    assert stats.estimate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).low == 1.0


def test_no_values_give_no_median() -> None:
    assert math.isnan(stats.estimate([]).median)


@pytest.mark.parametrize("n", [6, 9, 15, 20])
def test_the_interval_holds_the_true_median_in_at_least_95_of_100_samples(n: int) -> None:
    source = random.Random(7)
    trials = 4000
    held = 0
    for _ in range(trials):
        value = stats.estimate([source.expovariate(1.0) for _ in range(n)])
        assert value.low is not None and value.high is not None
        held += value.low <= math.log(2) <= value.high
    assert held / trials > 0.94


def test_ratios_are_taken_pair_by_pair() -> None:
    assert stats.ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="paired"):
        stats.ratios([1.0], [1.0, 2.0])


def test_a_limit_is_met_only_if_the_whole_interval_is_within() -> None:
    values = [1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.09, 1.30]
    assert stats.at_most(stats.estimate(values), 1.10) == "met"
    values[-2] = 1.2
    assert stats.at_most(stats.estimate(values), 1.10) == "not resolved"
    assert stats.at_most(stats.estimate([value + 0.2 for value in values]), 1.10) == "missed"


def test_at_least_follows_the_rule_of_at_most() -> None:
    values = [1.25, *[1.31] * 7, 1.5]
    assert stats.at_least(stats.estimate(values), 1.3) == "met"
    assert stats.at_least(stats.estimate(values), 1.35) == "missed"
    assert stats.at_least(stats.estimate([*values[1:], 1.2, 1.2, 1.2]), 1.3) == "not resolved"


def test_too_few_runs_resolve_nothing() -> None:
    assert stats.at_least(stats.estimate([2.0, 2.0, 2.0]), 1.3) == "not resolved"
    assert stats.at_most(stats.estimate([1.0, 1.0, 1.0]), 1.10) == "not resolved"
    assert stats.all_zero([]) == "not resolved"


def test_one_lost_frame_in_any_run_misses_the_goal_of_none() -> None:
    assert stats.all_zero([0, 0, 0]) == "met"
    assert stats.all_zero([0, 1, 0]) == "missed"
