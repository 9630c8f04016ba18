"""Figures of a whole generated set, and checkpoints side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.training.scored_examples import FPS, answers_of, truth_of
from training.run.validation.calibration import expected_calibration_error
from training.synthetic.scoring.answers import Effort
from training.synthetic.scoring.figures.benchmark import BenchmarkScore
from training.synthetic.scoring.figures.comparison import VideoOutcome, compare, markdown, outcome
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


# -- side by side ------------------------------------------------------------------------------------------------
def outcomes(shares: Sequence[float], psc: float = 0.5) -> list[VideoOutcome]:
    return [
        VideoOutcome(f"v{at}", {"walk" if at % 2 else "wave": (round(20 * share), 20)}, share > 0.5, psc)
        for at, share in enumerate(shares)
    ]


def test_person_frames_are_counted_by_their_true_action() -> None:
    found = outcome(VIDEOS[1].judgement.judged, "b", False, 0.25)
    assert found == VideoOutcome("b", {"walk": (2, 2), "wave": (6, 8)}, False, 0.25)


def test_a_checkpoint_differs_from_itself_by_nothing() -> None:
    base, same = compare({"base": outcomes([0.2, 0.9, 0.6, 0.7]), "same": outcomes([0.2, 0.9, 0.6, 0.7])}, "base")
    assert base.differences is None and same.differences is not None
    assert all((one.value, one.low, one.high) == (0, 0, 0) for one in same.differences.values())
    assert base.figures == {"online accuracy": pytest.approx(0.6), "video accuracy": 0.75, "area": 0.375}


def test_a_difference_in_every_video_is_sure_and_one_in_a_single_video_is_not() -> None:
    shares = [0.3, 0.8, 0.5, 0.9, 0.4, 0.7, 0.6, 0.8]
    better = [share + 0.1 for share in shares]
    one_worse = [0.1, *shares[1:]]
    rows = compare({"base": outcomes(shares), "better": outcomes(better), "one": outcomes(one_worse)}, "base",
                   {"base": 1.5})  # fmt: skip
    _, sure, unsure = rows
    assert sure.differences is not None and unsure.differences is not None
    accuracy = sure.differences["online accuracy"]
    assert accuracy.low == pytest.approx(0.1) and accuracy.high == pytest.approx(0.1)
    assert unsure.differences["online accuracy"].low < 0 and unsure.differences["online accuracy"].high == 0
    table = markdown(rows).splitlines()
    assert len(table) == 5 and table[2].startswith("| base | 62.5% |  |") and table[2].endswith("| 1.50 |")
    assert "**+10.0 [+10.0, +10.0]**" in table[3] and table[3].endswith("| – |") and "**" not in table[4]
    assert len({line.count("|") for line in table}) == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=12), st.integers(0, 100))
def test_the_interval_holds_the_difference_of_means_and_changes_sign_with_the_baseline(
    shares: list[tuple[float, float]], seed: int
) -> None:
    one, other = (outcomes(column) for column in zip(*shares))
    both = {"one": one, "other": other}
    forth = compare(both, "one", seed=seed, draws=200)[1].differences
    back = compare(both, "other", seed=seed, draws=200)[0].differences
    assert forth is not None and back is not None
    for figure, found in forth.items():
        assert found.value == pytest.approx(-back[figure].value) and found.low == pytest.approx(-back[figure].high)
        assert found.low <= found.high
    least = min(b.right - a.right for a, b in zip(one, other))
    assert least <= forth["video accuracy"].low


def test_checkpoints_scored_on_different_videos_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different videos"):
        compare({"base": outcomes([0.1, 0.2]), "more": outcomes([0.1, 0.2, 0.3])}, "base")
