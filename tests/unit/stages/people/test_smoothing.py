"""Labels don't flicker, short actions are not suppressed, and part states have hysteresis."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from stages.people.smoothing import ActionSmoother, SmoothingConfig, StateHysteresis
from stages.stored_settings import decoded

ACTIONS = ("stand", "walk", "jump")
STEP_US = 80_000


def probabilities(label: str, score: float = 0.9) -> np.ndarray:
    rest = (1 - score) / (len(ACTIONS) - 1)
    return np.array([score if action == label else rest for action in ACTIONS], np.float32)


def labels_over(steps: list[str], score: float = 0.9) -> list[str]:
    smoother = ActionSmoother(SmoothingConfig(), ACTIONS)
    return [ACTIONS[smoother.update(probabilities(label, score), n * STEP_US)[0]] for n, label in enumerate(steps)]


def test_one_step_of_another_long_action_does_not_change_the_label() -> None:
    assert set(labels_over(["stand"] * 10 + ["walk"] + ["stand"] * 10)) == {"stand"}


def test_a_lasting_change_is_reported_within_half_a_second() -> None:
    found = labels_over(["stand"] * 10 + ["walk"] * 6)
    assert found[9] == "stand" and found[-1] == "walk"


def test_a_short_action_is_reported_within_three_steps() -> None:
    found = labels_over(["stand"] * 10 + ["jump"] * 4)
    assert "jump" in found[10:13]


def labels_with_onset(scores: list[list[float]], onset: dict[str, float]) -> list[str]:
    smoother = ActionSmoother(SmoothingConfig(onset=onset), ACTIONS)
    return [ACTIONS[smoother.update(np.array(step), n * STEP_US)[0]] for n, step in enumerate(scores)]


def test_an_action_becomes_the_label_only_from_its_onset_and_stays_below_it() -> None:
    scores = [[0.3, 0.2, 0.5]] * 10 + [[0.1, 0.1, 0.8]] * 10 + [[0.3, 0.2, 0.5]] * 10
    found = labels_with_onset(scores, {"jump": 0.6})
    assert set(found[:10]) == {"stand"} and found[19] == "jump"
    assert set(found[20:]) == {"jump"}  # no other leads it by the margin


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"onset": {"jump": 1.0}}, "scores in `onset` must be at least 0 and less than 1"),
        ({"onset": {"jump": "0.5"}}, "smoothing: .*onset"),
        ({"seconds": None}, "smoothing: .*seconds"),
        ({"state_off": 0.9}, "state_off ≤ state_on"),
    ],
)
def test_settings_of_another_kind_or_out_of_range_are_rejected_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decoded(SmoothingConfig, json.dumps(settings), "smoothing")


def test_smoothing_depends_on_media_time_and_not_on_the_number_of_steps() -> None:
    config = SmoothingConfig(default_seconds=1.0)
    coarse, fine = (ActionSmoother(config, ACTIONS) for _ in range(2))
    for smoother in (coarse, fine):
        smoother.update(probabilities("stand"), 0)
    for n in range(1, 5):
        fine.update(probabilities("walk"), n * 100_000)
    coarse.update(probabilities("walk"), 400_000)
    assert fine.update(probabilities("walk"), 400_000)[1] == pytest.approx(
        coarse.update(probabilities("walk"), 400_000)[1], abs=1e-9
    )


def test_a_state_becomes_active_above_one_threshold_and_inactive_below_a_lower_one() -> None:
    states = StateHysteresis(SmoothingConfig(state_seconds=0.0))
    present = np.ones(1, bool)
    found = [
        bool(states.update(np.array([[score]], np.float32), present, n * STEP_US)[0][0, 0])
        for n, score in enumerate([0.4, 0.49, 0.51, 0.45, 0.36, 0.34, 0.45, 0.51])
    ]
    assert found == [False, False, True, True, True, False, False, True]


def test_a_part_that_is_not_detected_keeps_its_states() -> None:
    states = StateHysteresis(SmoothingConfig())
    both = np.ones(2, bool)
    states.update(np.array([[0.9], [0.9]], np.float32), both, 0)
    for n in range(1, 20):
        on, scores = states.update(np.zeros((2, 1), np.float32), np.array([True, False]), n * STEP_US)
    assert on.tolist() == [[False], [True]]
    assert scores[1, 0] == np.float32(0.9)
