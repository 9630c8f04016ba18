"""Answers on one generated video compared with its truth: counted people, settling time, parts and joints."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.training.scored_examples import FPS, PAIRS, PLACES, answers_of, true_person, truth_of
from training.synthetic.scoring.answers import AnsweredFrame, AnsweredPerson, VideoAnswers
from training.synthetic.scoring.figures.detector_figures import detector_figures
from training.synthetic.scoring.figures.figures import accuracy
from training.synthetic.scoring.figures.part_figures import by_kind, part_figures
from training.synthetic.scoring.figures.settling import SettlingFigures, figures, settled
from training.synthetic.scoring.judging import detector_rows, judge_video, state_rows
from training.synthetic.videos.truth import TrueFrame, Truth


# -- counted people ----------------------------------------------------------------------------------------------
def test_missed_people_other_and_no_answer_are_wrong_and_unsure_instants_do_not_count() -> None:
    found = judge_video("a", FPS, truth_of(p1="wwwwwu", p2="ooo   "), answers_of(p1="w won ", p2="o n   ")).judged
    assert [(one.person, one.answer, one.missed) for one in found if one.truth == "walk"] == [
        (1, "walk", False), (1, None, True), (1, "walk", False), (1, "other", False), (1, None, False),
    ]  # fmt: skip
    result = accuracy(found)
    assert (result.person_frames, result.micro, result.macro) == (8, 3 / 8, pytest.approx((2 / 5 + 1 / 3) / 2))
    # `other` is correct only for people who perform no other action.
    assert (result.missed, result.unanswered) == (2 / 8, 3 / 8)


def test_people_less_than_half_visible_are_matched_but_do_not_count() -> None:
    hidden = Truth((TrueFrame((true_person(1, visible=0.49), true_person(2, visible=0.5))),))
    found = judge_video("a", FPS, hidden, answers_of(p1="w", p2="w"))
    assert [one.person for one in found.judged] == [2] and found.extras == []


def test_answers_without_a_true_person_are_kept() -> None:
    assert judge_video("a", FPS, truth_of(p1="w"), answers_of(p1="w", p2="v")).extras == [("wave", 0.9)]


def test_frames_not_shown_do_not_count_and_unread_frames_are_missed() -> None:
    truth, answers = truth_of(p1="wwww"), answers_of(p1="ww")
    assert [one.missed for one in judge_video("a", FPS, truth, answers).judged] == [False, False, True, True]
    shown = judge_video("a", FPS, truth, answers, shown=[1, 3]).judged
    assert [(one.time, one.missed) for one in shown] == [(0.1, False), (0.3, True)]


@given(st.lists(st.tuples(st.sampled_from("wvou "), st.sampled_from("wvon ")), min_size=1, max_size=30))
def test_every_counted_person_frame_is_judged_once(letters: list[tuple[str, str]]) -> None:
    true, answered = ("".join(one) for one in zip(*letters))
    found = judge_video("a", FPS, truth_of(p1=true), answers_of(p1=answered))
    assert len(found.judged) == sum(letter not in "u " for letter in true)
    assert len(found.extras) == sum(one == " " != other for one, other in letters)
    assert sum(one.answer == one.truth for one in found.judged) == sum(
        one == other for one, other in letters if one not in "u "
    )


# -- settling time ----------------------------------------------------------------------------------------------
def times(true: str, answered: str) -> list[float]:
    return [
        round(one.seconds, 3)
        for one in settled(judge_video("a", FPS, truth_of(p1=true), answers_of(p1=answered)).judged)
    ]


def test_settling_time_lasts_from_appearance_to_the_first_lasting_correct_answer() -> None:
    assert times("wwwwwwwwww", "nnwvwwwwww") == [0.4]
    assert times("wwwwwwwwww", "wwwwwwwwww") == [0.0]


def test_an_answer_that_lasts_less_than_half_a_second_never_counts() -> None:
    assert times("wwwwwwwwww", "vvvvvvwwww") == [math.inf]
    assert times("wwwwwwwwww", "wwwwvwwwwv") == [math.inf]


def test_a_change_of_action_starts_a_new_stretch_and_moments_between_actions_do_not_count() -> None:
    truth, answers = truth_of(p1="wwwwwwuuvvvvvvvv"), answers_of(p1="wwwwwwwwwwvvvvvv")
    found = settled(judge_video("a", FPS, truth, answers).judged)
    assert [(one.truth, round(one.seconds, 3), one.changed) for one in found] == [
        ("walk", 0.0, False),
        ("wave", 0.2, True),
    ]


def test_stretches_shorter_than_half_a_second_are_left_out_and_long_absences_are_new_appearances() -> None:
    assert times("www", "www") == []
    assert times("wwwwwww" + " " * 12 + "wwwwwww", "wwwwwww" + " " * 12 + "vwwwwww") == [0.0, 0.1]


def test_medians_take_stretches_that_never_settle_as_infinite() -> None:
    def of(*seconds: float) -> SettlingFigures:
        stretches = settled(judge_video("a", FPS, truth_of(p1="w" * 9), answers_of(p1="w" * 9)).judged)
        return figures([stretches[0]._replace(seconds=one) for one in seconds])

    assert of(0.1, 0.3, 0.2, math.inf) == SettlingFigures(4, 0.2, None, 0.25)
    assert of(0.1, math.inf, math.inf) == SettlingFigures(3, None, None, 2 / 3)
    assert of(*[0.1] * 9, 0.7) == SettlingFigures(10, 0.1, 0.1, 0.0)
    assert figures([]) == SettlingFigures(0, None, None, None)


@given(st.lists(st.booleans(), min_size=6, max_size=40))
def test_a_settled_answer_is_right_from_then_on_for_half_a_second(right: list[bool]) -> None:
    answered = "".join("w" if one else "v" for one in right)
    (found,) = times("w" * len(right), answered)
    first = answered.find("w" * 6)
    assert found == (math.inf if first < 0 else round(first / FPS, 3))


# -- parts and joints -------------------------------------------------------------------------------------------
def test_part_states_are_scored_where_the_part_is_visible_and_missed_people_have_none() -> None:
    waves, walks = true_person(1, "wave"), true_person(2)
    headless = msgspec.structs.replace(waves, states={"left_arm": ("raise", "wave")})
    answered = AnsweredPerson(PLACES[1], "wave", 0.9, frozenset([("head", "none"), ("left_arm", "wave")]),
                          np.array([0.9, 0.2, 0.4, 0.8], np.float32))  # fmt: skip
    rows = state_rows([(waves, answered), (headless, None), (walks, answered)], PAIRS)
    assert rows.known[:, 0].tolist() == [True, False, True] and rows.scores[1].tolist() == [0, 0, 0, 0]
    found = part_figures([rows], PAIRS).pairs["left_arm"]
    assert (found["wave"].count, found["wave"].precision, found["wave"].recall, found["wave"].f1) == (2, 0.5, 0.5, 0.5)
    assert found["raise"].recall == 0 and found["raise"].precision is None
    # By descending score: .8 true, .8 false, 0 true.
    assert found["wave"].average_precision == pytest.approx((1 + 2 / 3) / 2)


def test_left_and_right_parts_are_averaged_in_the_report() -> None:
    pairs = (("left_arm", "wave"), ("right_arm", "wave"), ("hip", "sit"))
    truth = np.array([[True, True, False], [False, False, False]])
    scores = np.array([[0.9, 0.1, 0.3], [0.1, 0.9, 0.2]], np.float32)
    rows = judge_video("a", FPS, Truth(()), answers_of(p1="w")).states
    rows = type(rows)(truth, np.ones_like(truth), scores, scores > 0.5)
    found = part_figures([rows], pairs)
    assert by_kind(found) == {"arm": {"wave": (2, 0.75, 0.5)}}
    assert found.mean_average_precision == 0.75 and found.pairs["hip"]["sit"].average_precision is None


def test_joint_errors_are_shares_of_the_box_and_only_of_visible_joints() -> None:
    true = TrueFrame((true_person(1), true_person(2, visible=0.3)))
    row = np.zeros((1, 56), np.float32)
    row[0, :5] = (*PLACES[1], 0.7)
    joints = np.array(true.people[0].keypoints, np.float32)
    row[0, 5:] = (joints * (1, 1, 0) + (20, 0, 0.5)).astype(np.float32).ravel()  # 20 px off, of a box 100 px high
    found = detector_figures([detector_rows([(true, row), (true, row[:0])])])
    assert found is not None and (found.person_frames, found.recall, found.close_recall) == (2, 0.5, 0.5)
    face, ankles = found.joints["face"], found.joints["ankles"]
    assert face.median_error == pytest.approx(0.2) and face.near == 0 and face.seen_score == pytest.approx(0.5)
    assert ankles.median_error is None and ankles.hidden_score == pytest.approx(0.5)
    assert detector_figures([]) is None


def test_a_model_without_known_scores_is_scored_by_its_published_states() -> None:
    answers = VideoAnswers(
        [AnsweredFrame(0, (AnsweredPerson(PLACES[1], "walk", 0.9, frozenset([PAIRS[0]])),))], "walk", {}, PAIRS
    )
    assert judge_video("a", FPS, truth_of(p1="w"), answers).states.scores.tolist() == [[1, 0, 0, 0]]
