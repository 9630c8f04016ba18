"""Confidence intervals, against scipy's own and plain computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.footage.judging import (
    bootstrap_macro,
    clopper_pearson,
    macro,
    poisson_count,
)


@given(st.integers(1, 200).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_of_a_share_is_scipys_exact_one(counts: tuple[int, int]) -> None:
    from scipy import stats  # takes a second, and only this test needs it

    expected = stats.binomtest(*counts).proportion_ci(0.95, "exact")
    assert clopper_pearson(*counts) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(st.integers(1, 60))
def test_counts_as_extreme_as_the_observed_one_have_the_stated_probability_at_both_ends(count: int) -> None:
    low, high = poisson_count(count)
    at_least = 1 - sum(math.exp(-low) * low**k / math.factorial(k) for k in range(count))
    at_most = sum(math.exp(-high) * high**k / math.factorial(k) for k in range(count + 1))
    assert (at_least, at_most) == pytest.approx((0.025, 0.025), abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6))
def test_the_macro_average_leaves_out_actions_that_do_not_occur(counts: list[tuple[int, int]]) -> None:
    right = np.array([min(pair) for pair in counts])
    of = np.array([max(pair) for pair in counts])
    shares = [min(pair) / max(pair) for pair in counts if max(pair)]
    assert macro(right, of) == (pytest.approx(sum(shares) / len(shares)) if shares else None)


def test_the_bootstrap_is_the_one_of_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    of = rng.integers(1, 30, (9, 3))
    right = rng.integers(0, of + 1)
    means: list[float] = []
    for _ in range(4000):
        chosen = rng.integers(0, 9, 9)
        hit, total = right[chosen].sum(0), of[chosen].sum(0)
        means.append(float(np.mean([a / b for a, b in zip(hit, total, strict=True)])))
    expected = np.quantile(means, [0.025, 0.975])
    assert bootstrap_macro(right, of) == pytest.approx(tuple(expected), abs=0.02)


def test_an_action_of_one_person_has_no_spread_and_does_not_widen_that_of_others() -> None:
    right, of = np.array([[4, 0], [1, 0], [0, 1]]), np.array([[10, 0], [2, 0], [0, 9]])
    both, first = bootstrap_macro(right, of), bootstrap_macro(right[:2, :1], of[:2, :1])
    assert both is not None and first is not None
    assert both.low == pytest.approx((first.low + 1 / 9) / 2, abs=0.01)
    assert both.high == pytest.approx((first.high + 1 / 9) / 2, abs=0.01)


@given(st.integers(0, 5), st.integers(1, 5))
def test_one_unit_has_no_interval(empty: int, frames: int) -> None:
    of = np.zeros((empty + 1, 2), np.int64)
    of[0] = frames
    assert bootstrap_macro(of, of) is None
