"""Figures of a whole generated set."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.training.scored_examples import FPS, answers_of, truth_of
from training.run.validation.scores import expected_calibration_error
from training.synthetic.scoring.answers import Effort
from training.synthetic.scoring.figures.benchmark import BenchmarkScore
from training.synthetic.scoring.figures.figures import as_json, calibration_error, set_figures
from training.synthetic.scoring.judging import ScoredVideo, judge_video


def scored(name: str, action: str, true: str, said: str, *, unseen: bool = False, dropped: str | None = None,
           answer: str | None = None, score: float = 0.9) -> ScoredVideo:  # fmt: skip
    answers = answers_of(score, p1=said)
    judgement = judge_video(name, FPS, truth_of(p1=true), answers)
    left = None if dropped is None else judge_video(name, FPS, truth_of(p1=true), answers_of(p1=dropped)).judged
    return ScoredVideo(name, action, unseen, answer or action, judgement, answers.pairs, left, None, Effort(4, 0.002))


VIDEOS = [
    scored("a", "walk", "w" * 10, "vv" + "w" * 8, dropped="v" * 5 + "w" * 5),
    scored("b", "wave", "w" * 2 + "v" * 8, "w" * 4 + "v" * 6, unseen=True, dropped="w" * 5 + "v" * 5, answer="walk"),
]


def test_seen_and_unseen_motions_are_those_of_people_who_do_their_videos_action() -> None:
    found = set_figures(VIDEOS, None)
    assert (found.seen.person_frames, found.seen.micro) == (10, 0.8)
    assert (found.unseen.person_frames, found.unseen.micro) == (8, 0.75)
    assert found.online.macro == pytest.approx((10 / 12 + 6 / 8) / 2)
    assert {name: one.answers for name, one in found.actions.items()} == {
        "walk": {"walk": 10, "wave": 2}, "wave": {"wave": 6, "walk": 2},
    }  # fmt: skip


def test_the_loss_with_missing_frames_is_against_the_pass_without() -> None:
    found = set_figures(VIDEOS, None, drop=0.6)
    assert found.with_drops is not None and found.with_drops.share == 0.6
    assert found.with_drops.online.macro == pytest.approx((7 / 12 + 5 / 8) / 2)
    assert found.with_drops.lost == pytest.approx((10 / 12 + 6 / 8) / 2 - (7 / 12 + 5 / 8) / 2)
    assert set_figures(VIDEOS, None).with_drops is None


def test_the_benchmarks_figures_are_there_where_it_applies() -> None:
    found = set_figures(VIDEOS, BenchmarkScore({"a": 0.6, "b": 0.4}, 0.5, 0.3))
    assert (found.benchmark.video_accuracy, found.benchmark.mean_psc, found.benchmark.area) == (0.5, 0.5, 0.3)
    assert [(one.right, one.person_frames, one.psc) for one in found.videos] == [(8, 10, 0.6), (8, 10, 0.4)]
    assert found.step_ms == pytest.approx(0.5)
    without = set_figures(VIDEOS, None)
    assert (without.benchmark.area, without.videos[0].psc) == (None, None)


def test_the_object_is_plain_and_holds_the_whole_confusion() -> None:
    found = json.loads(json.dumps(as_json(set_figures(VIDEOS, None, 0.6))))
    assert found["actions"]["wave"] == {"person_frames": 8, "right": 0.75, "answers": {"wave": 6, "walk": 2}}
    assert found["online"]["macro"] == 0.7917 and found["settling"]["stretches"] == 2
    assert found["parts"]["pairs"]["left_arm"]["wave"]["f1"] is not None and found["detector"] is None


def test_sure_answers_where_nobody_is_count_against_the_second_precision() -> None:
    judgement = judge_video("c", FPS, truth_of(p1="ww"), answers_of(p1="wv", p2=" v"))
    video = ScoredVideo("c", "walk", False, "walk", judgement, VIDEOS[0].pairs)
    found = set_figures([video], None).calibration.at_least
    assert (found["0.9"].precision, found["0.9"].precision_all, found["0.9"].coverage) == (0.5, 1 / 3, 1.0)
    assert (found["0.95"].precision, found["0.95"].precision_all, found["0.95"].coverage) == (None, None, 0.0)


# Scores within the bins: at an edge, the last bit of a softmax decides.
SCORES = st.integers(2, 199).map(lambda step: (step + 0.37) / 200)


@given(st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=50))
def test_the_calibration_error_is_that_of_training(answers: list[tuple[float, bool]]) -> None:
    scores, right = zip(*answers)
    # A softmax whose greatest score is the one published, the rest spread so that none is greater.
    many = 200
    probabilities = np.array([[one, *[(1 - one) / many] * many] for one in scores])
    expected = expected_calibration_error(np.log(np.maximum(probabilities, 1e-12)), np.where(right, 0, 1))
    assert calibration_error(scores, right) == pytest.approx(expected, abs=1e-9)


def test_a_perfectly_calibrated_score_has_no_error() -> None:
    assert calibration_error([0.5] * 4, [True, False, True, False]) == 0
    assert calibration_error([], []) is None
