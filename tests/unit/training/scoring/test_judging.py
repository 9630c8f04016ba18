"""Right frames of films without boxes: by action, macro averages, confusion, precision and coverage."""

from __future__ import annotations

import pytest

from support.training.answered_films import film
from training.footage.judging import (
    MISSED,
    UNANSWERED,
    Tally,
    by_class,
    macro_figure,
    seconds_by_answer,
    selective,
)
from training.scoring.films import judge


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
