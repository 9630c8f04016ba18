"""Part states that a 2-D view shows: only what is sure is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import packaged
from tests.support.training.planar_people import person
from training.sources.planar import visible_states

VOCABULARY = packaged("edge")
ALL = np.ones((1, 1, 17), dtype=bool)
STILL = np.zeros((1, 1), dtype=bool)


def state_of(points: NDArray[np.float64], part: str, state: str, known: NDArray[np.bool_] = ALL) -> bool | None:
    """Return a state of one person [17, 2], None if unknown."""
    states, decided = visible_states(VOCABULARY, points[None, None], known, STILL)
    place = (0, 0, VOCABULARY.part_index(part), VOCABULARY.state_index(state))
    return bool(states[place]) if decided[place] else None


def with_left_arm(elbow: tuple[float, float], wrist: tuple[float, float]) -> NDArray[np.float64]:
    """Return a person of height 1 with the left elbow and wrist at an offset from the left shoulder."""
    points = person(1, height=1.0)[0, :, :2]
    points[7], points[9] = points[5] + elbow, points[5] + wrist
    return points


def test_an_arm_in_the_picture_plane_is_bent_or_not() -> None:
    assert state_of(with_left_arm((0.17, 0.0), (0.17, -0.15)), "left_arm", "bend") is None  # 90°: not sure enough
    assert state_of(with_left_arm((0.17, 0.0), (0.08, -0.12)), "left_arm", "bend") is True
    assert state_of(with_left_arm((0.0, 0.17), (0.0, 0.32)), "left_arm", "bend") is False


def test_an_arm_that_looks_short_or_is_hidden_has_no_known_bend() -> None:
    assert state_of(with_left_arm((0.08, 0.0), (0.04, -0.06)), "left_arm", "bend") is None
    hidden = ALL.copy()
    hidden[..., 9] = False
    assert state_of(with_left_arm((0.0, 0.17), (0.0, 0.32)), "left_arm", "bend", hidden) is None


def test_a_hand_is_raised_or_not_only_if_clearly_so() -> None:
    assert state_of(with_left_arm((0.1, -0.1), (0.1, -0.25)), "left_hand", "raise") is True
    assert state_of(with_left_arm((0.1, 0.1), (0.1, 0.25)), "left_hand", "raise") is False
    assert state_of(with_left_arm((0.15, 0.0), (0.3, -0.05)), "left_hand", "raise") is None


def test_nothing_is_known_of_the_hands_of_a_person_who_lies() -> None:
    lying = person(1, height=1.0, lying=True)[0, :, :2]
    assert state_of(lying, "left_hand", "raise") is None
