"""Captured joints show which limb strikes, throws, kicks, carries or grabs, and jumps; what they do not show stays
unknown."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.sources.captured.targets import set_limb_tags
from training.synthetic.motion.movement import ACTION_INDEX, TAG_INDEX, TAGS

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

STATURE = 1.7
LEFT, RIGHT = -1.0, 1.0
"""The side of a person who faces +x, y up: the sign of z."""


def standing(steps: int) -> Array:
    """Return a person who stands with hanging arms and faces +x, [steps, 17, 3] metres, y up."""
    points = np.zeros((steps, 17, 3))
    points[:, :5] = (0.05, 1.6, 0.0)
    for first, across, up in ((5, 0.19, 1.4), (7, 0.22, 1.1), (9, 0.23, 0.85), (11, 0.1, 0.9), (13, 0.1, 0.5)):
        points[:, first], points[:, first + 1] = (0.0, up, LEFT * across), (0.0, up, RIGHT * across)
    points[:, 15], points[:, 16] = (0.0, 0.08, LEFT * 0.1), (0.0, 0.08, RIGHT * 0.1)
    return points


def hand_at(points: Array, side: int, ahead: Array | float, up: Array | float) -> None:
    """Put a hand ahead of and above its shoulder, in metres, with an elbow between and below, in place."""
    shoulder = points[:, 5 + side]
    points[:, 9 + side] = shoulder + np.stack(np.broadcast_arrays(ahead, up, 0.0 * shoulder[:, 0]), -1)
    points[:, 7 + side] = 0.5 * (shoulder + points[:, 9 + side]) - (0, 0.12, 0)


def pulse(times: Array, at: float, seconds: float = 0.2) -> Array:
    """Return a curve that rises from 0 to 1 over the seconds before `at` and falls as quickly."""
    return np.maximum(1 - np.abs(times - at) / seconds, 0)


def boxing(times: Array, blows: dict[int, float]) -> Array:
    """Return a person in a guard whose arms (0 left, 1 right) shoot out, each at its instant."""
    points = standing(len(times))
    for side in (0, 1):
        out = pulse(times, blows[side]) if side in blows else 0 * times
        hand_at(points, side, 0.15 + 0.4 * out, -0.05 + 0.05 * out)
    return points


def shown(
    action: str, points: Array, times: Array, missing: Flags | None = None, during: Flags | None = None
) -> dict[str, Flags]:
    """Return the tags that one person's joints show, by name, each bool [T]; all others are checked to be unknown."""
    on, known = np.zeros((2, 1, len(times), len(TAGS)), dtype=bool)
    actions = np.full((1, len(times)), ACTION_INDEX[action])
    if during is not None:
        actions[0, ~during] = ACTION_INDEX["stand"]
    facing = np.broadcast_to([1.0, 0.0, 0.0], (1, len(times), 3))
    hidden = np.zeros((1, len(times), 17), dtype=bool) if missing is None else missing[None]
    set_limb_tags(on, known, actions, points[None], facing, hidden, times[None], np.array([STATURE]))
    np.testing.assert_array_equal(on, known)  # nothing is ever known to be off
    return {name: on[0, :, index] for name, index in TAG_INDEX.items() if on[0, :, index].any()}


def at_rate(rate: float, seconds: float = 3.0) -> Array:
    return np.arange(round(seconds * rate) + 1) / rate


TIMES = at_rate(10.0)


# -- striking ----------------------------------------------------------------------------------------------------
def test_the_arm_that_shoots_out_strikes_around_the_blow_and_the_other_one_is_unknown() -> None:
    for side, tag in ((0, "strike_l"), (1, "strike_r")):
        found = shown("punch", boxing(TIMES, {side: 1.5}), TIMES)
        assert set(found) == {tag}
        seconds = TIMES[found[tag]]
        assert 1.5 in seconds and seconds.min() >= 1.0 and seconds.max() <= 2.0


def test_both_arms_strike_if_both_shoot_out_each_at_its_time() -> None:
    found = shown("punch", boxing(TIMES, {0: 0.8, 1: 2.2}), TIMES)
    assert set(found) == {"strike_l", "strike_r"}
    assert TIMES[found["strike_l"]].max() < TIMES[found["strike_r"]].min()
    together = shown("punch", boxing(TIMES, {0: 1.5, 1: 1.5}), TIMES)
    assert together["strike_l"][15] and together["strike_r"][15]


@pytest.mark.parametrize("rate", [30.0, 15.0, 10.0, 7.0, 5.0])
def test_a_blow_is_found_at_any_frame_rate_from_five(rate: float) -> None:
    times = at_rate(rate)
    assert set(shown("punch", boxing(times, {1: 1.6}), times)) == {"strike_r"}


# -- throwing ----------------------------------------------------------------------------------------------------
def test_the_arm_with_the_longest_stroke_throws_from_before_until_after_it() -> None:
    points = standing(len(TIMES))
    hand_at(points, 0, -0.2 + 0.7 * np.clip((TIMES - 1.5) / 0.3, 0, 1), 0.3)
    found = shown("throw", points, TIMES)
    assert set(found) == {"throw_l"}
    seconds = TIMES[found["throw_l"]]
    assert 1.1 <= seconds.min() <= 1.3 and 2.0 <= seconds.max() <= 2.2


# -- legs --------------------------------------------------------------------------------------------------------
def test_the_lifted_leg_that_moves_kicks_and_the_supporting_one_is_unknown() -> None:
    points = standing(len(TIMES))
    points[:, 16, :2] += 0.6 * pulse(TIMES, 1.5)[:, None]
    found = shown("kick", points, TIMES)
    assert set(found) == {"kick_r"}
    lifted = points[:, 16, 1] > 0.08 + 0.05 * STATURE
    assert found["kick_r"][15] and not (found["kick_r"] & ~lifted).any()


def test_people_jump_while_both_ankles_are_higher_than_before_and_after() -> None:
    points = standing(len(TIMES))
    points[..., 1] += 0.3 * pulse(TIMES, 1.5, 0.25)[:, None]
    found = shown("jump", points, TIMES)
    assert set(found) == {"jump"} and TIMES[found["jump"]].tolist() == pytest.approx([1.4, 1.5, 1.6])


# -- objects -----------------------------------------------------------------------------------------------------
def test_two_bent_arms_with_hands_together_in_front_carry() -> None:
    points = standing(len(TIMES))
    hand_at(points, 0, 0.3, -0.05)
    assert not shown("carry", points, TIMES)  # one arm may do something else
    hand_at(points, 1, 0.3, -0.05)
    found = shown("carry", points, TIMES)
    assert set(found) == {"carry_l", "carry_r"} and all(value.all() for value in found.values())
    points[:, 9, 2] -= 0.5
    assert not shown("carry", points, TIMES)
    points = standing(len(TIMES))
    for side in (0, 1):
        hand_at(points, side, -0.3, -0.05)  # behind the back
    assert not shown("carry", points, TIMES)


def test_the_lower_hand_below_the_knee_grabs_unless_only_for_one_step() -> None:
    points = standing(len(TIMES))
    points[12:16, 10, 1] = 0.3
    found = shown("pick_up", points, TIMES)
    assert set(found) == {"grab_r"} and np.flatnonzero(found["grab_r"]).tolist() == [12, 13, 14, 15]
    single = standing(len(TIMES))
    single[12, 10, 1] = 0.3
    assert not shown("pick_up", single, TIMES)
    points[12:16, 9, 1] = 0.3  # both: either may do it
    assert not shown("pick_up", points, TIMES)
