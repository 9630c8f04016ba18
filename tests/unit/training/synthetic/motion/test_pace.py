"""Telling standing from walking by pace, as footage is labelled."""

from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.motion.movement import ACTION_INDEX, UNSURE
from training.synthetic.motion.pace import STANDING_PACE, WALKING_PACE, pace, without_doubtful_actions

STAND, WALK, RUN = (ACTION_INDEX[name] for name in ("stand", "walk", "run"))


def going(speed: float, times: np.ndarray) -> np.ndarray:
    """Return a pelvis [1, T, 3] that moves at `speed` metres per second, bobbing."""
    at = np.zeros((1, len(times), 3))
    at[0, :, 0] = 0.6 * speed * times
    at[0, :, 1] = 0.9 + 0.05 * np.sin(12 * times)
    at[0, :, 2] = 0.8 * speed * times
    return at


@pytest.mark.parametrize("rate", [1.0, 5.0, 30.0])
def test_pace_is_the_speed_over_the_floor_in_statures_per_second_at_any_frame_rate(rate: float) -> None:
    times = np.arange(20) / rate
    assert pace(going(0.8, times), times[None], np.array([1.6]))[0] == pytest.approx(0.5)


def test_swaying_has_no_pace() -> None:
    times = np.arange(40) * 0.1
    swaying = going(0.0, times)
    swaying[0, :, 0] = 0.05 * np.sin(2 * np.pi * times)
    assert pace(swaying, times[None], np.array([1.6])).max() < STANDING_PACE


def test_padded_and_single_steps_have_a_finite_pace() -> None:
    times = np.array([[0.0, 0.1, 0.1, 0.1], [0.0, 0.0, 0.0, 0.0]])
    found = pace(np.ones((2, 4, 3)), times, np.array([1.6, 1.8]))
    assert np.array_equal(found, np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("labelled", "statures_per_second", "expected"),
    [
        (STAND, 0.0, STAND),
        (STAND, WALKING_PACE - 0.02, STAND),
        (STAND, WALKING_PACE + 0.02, UNSURE),
        (WALK, STANDING_PACE - 0.02, UNSURE),
        (WALK, STANDING_PACE + 0.02, WALK),
        (WALK, 0.8, WALK),
        (RUN, 0.0, RUN),
        (UNSURE, 0.8, UNSURE),
    ],
)
def test_only_fast_standing_and_slow_walking_become_unsure(
    labelled: int, statures_per_second: float, expected: int
) -> None:
    times = np.arange(12) * 0.1
    action, pelvis = np.full((1, 12), labelled), going(1.7 * statures_per_second, times)
    assert (without_doubtful_actions(action, pelvis, times[None], np.array([1.7])) == expected).all()
