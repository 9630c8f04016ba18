"""Judged answers: shares by action, macro averages, precision by score, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.training.answered_films import film
from training.footage.judging import (
    MISSED,
    UNANSWERED,
    Tally,
    bootstrap_macro,
    by_class,
    clopper_pearson,
    macro,
    macro_figure,
    poisson_count,
    seconds_by_answer,
    selective,
)
from training.scoring.films import judge


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


def test_the_largest_person_stands_for_the_labelled_one() -> None:
    judged = judge(film("wwww", "ww  ", "ssss"))
    assert [one.answer for one in judged] == ["walk", "walk", "stand", "stand"]


def test_a_person_without_an_answer_yet_is_found_and_wrong() -> None:
    assert by_class(judge(film("ww", "?w"))) == {"walk": Tally(total=2, right=1, missed=0, unanswered=1, units=1)}


def test_smoothed_answers_and_their_scores_are_taken_instead_of_the_last_steps() -> None:
    both = film("ww", "ws", smoothed=["sw"], score=0.8)
    assert [(one.answer, one.score) for one in judge(both)] == [("walk", 0.8), ("stand", 0.8)]
    assert [(one.answer, one.score) for one in judge(both, smoothed=True)] == [("stand", 0.4), ("walk", 0.4)]


def test_each_clip_of_a_film_is_a_unit_of_the_intervals() -> None:
    judged = [*judge(film("w", "w", name="1", person="ann")), *judge(film("w", "s", name="2", person="ann"))]
    assert by_class(judged)["walk"] == Tally(2, 1, 0, 0, units=2)
    assert macro_figure(judged).interval == (0, 1)
    assert macro_figure(judge(film("w", "w", name="1"))).interval is None


def test_the_macro_weighs_actions_alike_over_all_frames_and_over_those_with_a_person() -> None:
    judged = judge(film("wwwwss", "ww  s "))
    assert macro_figure(judged).mean == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert macro_figure(judged, found_only=True).mean == 1
    assert macro_figure(judged, ["walk"]).mean == pytest.approx(1 / 2)
    assert macro_figure(judged, ["jump"]) == (None, None)


def test_confusion_counts_every_labelled_frame_once() -> None:
    assert seconds_by_answer(judge(film("wwwwws", "ww?s s"))) == {
        "walk": {"walk": 2, MISSED: 1, UNANSWERED: 1, "stand": 1},
        "stand": {"stand": 1},
    }


def test_other_is_no_answer_unless_it_is_the_label_and_missed_people_lower_coverage() -> None:
    judged = judge(film("wwwwoo", "wos ow"))
    found = selective(judged, 0.5)
    # answered: walk as walk, walk as stand, other as other, other as walk
    assert found.precision == pytest.approx(2 / 4)
    assert found.coverage == pytest.approx(4 / 6)
    assert selective(judged, 0.8)[:2] == (None, 0.0)
    assert selective([], 0.5) == (None, None, None, None)
