"""Right frames of films without boxes: by action, macro averages, confusion, precision and coverage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.training.answered_films import film
from training.footage.judging import (
    MISSED,
    UNANSWERED,
    Judged,
    Tally,
    by_class,
    macro_figure,
    seconds_by_answer,
    selective,
)
from training.scoring.films import judge

FRAMES = st.lists(
    st.builds(
        Judged,
        clip=st.sampled_from("ABC"),
        person=st.just(1),
        time=st.just(0.0),
        seconds=st.just(1),
        unit=st.sampled_from("ABC"),
        truth=st.sampled_from(("walk", "stand", "other")),
        answer=st.sampled_from((None, "walk", "stand", "other")),
        score=st.sampled_from((0.2, 0.5, 0.9)),
        missed=st.just(False),
    ),
    max_size=30,
)


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


@given(FRAMES)
def test_confusion_and_shares_agree(judged: list[Judged]) -> None:
    shares = by_class(judged)
    table = seconds_by_answer(judged)
    assert shares.keys() == table.keys()
    for truth, answers in table.items():
        assert sum(answers.values()) == shares[truth].total
        assert answers.get(truth, 0) == shares[truth].right


def test_other_is_no_answer_unless_it_is_the_label_and_missed_people_lower_coverage() -> None:
    judged = judge(film("wwwwoo", "wos ow"))
    found = selective(judged, 0.5)
    # answered: walk as walk, walk as stand, other as other, other as walk
    assert found.precision == pytest.approx(2 / 4)
    assert found.coverage == pytest.approx(4 / 6)
    assert selective(judged, 0.8)[:2] == (None, 0.0)
    assert selective([], 0.5) == (None, None, None, None)


@given(FRAMES, st.sampled_from((0.0, 0.5, 0.9)))
def test_precision_and_coverage_are_those_of_a_plain_count(judged: list[Judged], threshold: float) -> None:
    answered = right = 0
    for one in judged:
        if one.answer is None or one.score < threshold or (one.answer == "other" and one.truth != "other"):
            continue
        answered += 1
        right += one.answer == one.truth
    found = selective(judged, threshold)
    assert found.precision == (right / answered if answered else None)
    assert found.coverage == (answered / len(judged) if judged else None)
