"""Captured joints show which limb strikes, throws, kicks, carries or grabs, and jumps; what they do not show stays
unknown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.examples import examples
from support.training.limb_tags_by_loops import plain_limb_tags
from training.sources.captured.acting_limbs import set_limb_tags
from training.sources.captured.bodies import MIRROR
from training.synthetic.motion.movement import ACTION_INDEX, TAG_INDEX, TAGS

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

STATURE = 1.7
ACTIONS = ("punch", "throw", "kick", "jump", "carry", "pick_up")
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


def test_arms_that_rise_into_a_guard_together_do_not_strike() -> None:
    points = standing(len(TIMES))
    up = np.clip((TIMES - 1.0) / 0.4, 0, 1)
    for side in (0, 1):
        hand_at(points, side, 0.05 + 0.1 * up, -0.55 + 0.5 * up)
    assert not shown("punch", points, TIMES)


def test_an_arm_that_hangs_does_not_strike() -> None:
    points = standing(len(TIMES))
    hand_at(points, 1, 0.02 + 0.4 * pulse(TIMES, 1.5), -0.5 + 0.5 * pulse(TIMES, 1.5))
    found = shown("punch", points, TIMES)["strike_r"]
    hangs = points[:, 10, 0] < 0.25 * (points[:, 6, 1] - points[:, 10, 1])
    assert found.any() and hangs[12:18].any() and not (found & hangs).any()


@pytest.mark.parametrize("rate", [30.0, 15.0, 10.0, 7.0, 5.0])
def test_a_blow_is_found_at_any_frame_rate_from_five(rate: float) -> None:
    times = at_rate(rate)
    assert set(shown("punch", boxing(times, {1: 1.6}), times)) == {"strike_r"}


def test_steps_with_longer_gaps_leave_everything_unknown_but_carrying() -> None:
    times = at_rate(3.0)
    for side in (0, 1):
        assert not shown("punch", boxing(times, {side: 1.0}), times)
        assert not shown("throw", boxing(times, {side: 1.0}), times)
    times = np.array([0.0, 0.1, 0.5, 0.6])  # the arm is out after the gap
    points = boxing(np.array([0.0, 0.0, 1.0, 1.0]), {1: 1.0})
    assert not shown("punch", points, times)


def test_blows_during_another_action_and_with_unknown_joints_do_not_count() -> None:
    points = boxing(TIMES, {1: 1.5})
    assert not shown("punch", points, TIMES, during=TIMES > 1.9)
    for joint in (5, 9, 6, 10):  # of either arm: without the other one, nothing is clear
        missing = np.zeros((len(TIMES), 17), dtype=bool)
        missing[:, joint] = True
        assert not shown("punch", points, TIMES, missing)


def test_repeated_last_steps_change_nothing() -> None:
    points = boxing(TIMES, {1: 2.8})
    found = shown("punch", points, TIMES)["strike_r"]
    padded = shown(
        "punch", np.concatenate([points, points[-1:].repeat(5, 0)]), np.concatenate([TIMES, TIMES[-1:].repeat(5)])
    )
    np.testing.assert_array_equal(padded["strike_r"][: len(TIMES)], found)


# -- throwing ----------------------------------------------------------------------------------------------------
def test_the_arm_with_the_longest_stroke_throws_from_before_until_after_it() -> None:
    points = standing(len(TIMES))
    hand_at(points, 0, -0.2 + 0.7 * np.clip((TIMES - 1.5) / 0.3, 0, 1), 0.3)
    found = shown("throw", points, TIMES)
    assert set(found) == {"throw_l"}
    seconds = TIMES[found["throw_l"]]
    assert 1.1 <= seconds.min() <= 1.3 and 2.0 <= seconds.max() <= 2.2


def test_both_arms_throw_only_with_the_hands_together() -> None:
    for gap, tags in ((0.3, {"throw_l", "throw_r"}), (1.2, set[str]())):
        points = standing(len(TIMES))
        for side, across in ((0, LEFT), (1, RIGHT)):
            hand_at(points, side, -0.2 + 0.7 * np.clip((TIMES - 1.5) / 0.3, 0, 1), 0.3)
            points[:, 9 + side, 2] = across * gap / 2
        assert set(shown("throw", points, TIMES)) == tags


# -- legs --------------------------------------------------------------------------------------------------------
def test_the_lifted_leg_that_moves_kicks_and_the_supporting_one_is_unknown() -> None:
    points = standing(len(TIMES))
    points[:, 16, :2] += 0.6 * pulse(TIMES, 1.5)[:, None]
    found = shown("kick", points, TIMES)
    assert set(found) == {"kick_r"}
    lifted = points[:, 16, 1] > 0.08 + 0.05 * STATURE
    assert found["kick_r"][15] and not (found["kick_r"] & ~lifted).any()


def test_a_foot_that_slides_or_is_held_up_does_not_kick() -> None:
    points = standing(len(TIMES))
    points[:, 16, 0] += 0.6 * pulse(TIMES, 1.5)
    assert not shown("kick", points, TIMES)
    points = standing(len(TIMES))
    points[:, 16, 1] += 0.4
    assert not shown("kick", points, TIMES)


def test_people_jump_while_both_ankles_are_higher_than_before_and_after() -> None:
    points = standing(len(TIMES))
    points[..., 1] += 0.3 * pulse(TIMES, 1.5, 0.25)[:, None]
    found = shown("jump", points, TIMES)
    assert set(found) == {"jump"} and TIMES[found["jump"]].tolist() == pytest.approx([1.4, 1.5, 1.6])


def test_climbing_a_box_raising_a_foot_and_a_flight_without_its_landing_are_no_known_jumps() -> None:
    climbs, balances = standing(len(TIMES)), standing(len(TIMES))
    climbs[..., 1] += 0.4 * (TIMES > 1.5)[:, None]
    balances[:, 15, 1] += 0.4 * pulse(TIMES, 1.5, 0.25)
    assert not shown("jump", climbs, TIMES) and not shown("jump", balances, TIMES)
    flies = standing(len(TIMES))
    flies[..., 1] += 0.3 * pulse(TIMES, 3.0, 0.25)[:, None]
    assert not shown("jump", flies, TIMES)


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


# -- any motion --------------------------------------------------------------------------------------------------
def some_motion(seed: int) -> tuple[Array, Array, Flags, Array, Array, NDArray[np.int64], Array]:
    """Return points [N, T, 17, 3], facing, missing joints, times, statures and actions of people who move at random."""
    rng = np.random.default_rng(seed)
    count, steps = 6, int(rng.integers(1, 25))
    rate = np.exp(rng.uniform(np.log(3.0), np.log(30.0), (count, 1)))
    times = np.cumsum(rng.uniform(0.5, 1.5, (count, steps)) / rate, 1)
    points = standing(steps)[None].repeat(count, 0)
    for side in (0, 1):
        for row in range(count):
            ahead, up = rng.uniform(-0.2, 0.5), rng.uniform(-0.5, 0.3)
            hand_at(points[row], side, ahead, up)
    points += 0.05 * rng.standard_normal(points.shape)
    size = rng.uniform(0, 0.4, (count, 1, 4, 3))
    points[:, :, [9, 10, 15, 16]] += size * np.cumsum(rng.standard_normal((count, steps, 4, 3)), 1).clip(-2, 2)
    points[:, :, 9:11, 1] -= 0.7 * (rng.random((count, 1, 2)) < 0.3)  # some hands are below the knees
    points[..., 1] += 0.3 * np.maximum(rng.standard_normal((count, steps, 1)), 0)
    facing = np.array([1.0, 0.0, 0.0]) + 0.3 * rng.standard_normal((count, steps, 3))
    facing /= np.linalg.norm(facing, axis=-1, keepdims=True)
    missing = rng.random((count, steps, 17)) < 0.02
    action = np.array([ACTION_INDEX[name] for name in ACTIONS])[:, None].repeat(steps, 1)
    action[rng.random(action.shape) < 0.1] = -1
    return points, facing, missing, times, rng.uniform(1.4, 2.0, count), action, rng.uniform(-3, 3, 4)


def tags_of(points: Array, facing: Array, missing: Flags, times: Array, stature: Array, action: Array) -> Flags:
    on, known = np.zeros((2, *times.shape, len(TAGS)), dtype=bool)
    set_limb_tags(on, known, action.astype(np.int64), points, facing, missing, times, stature)
    np.testing.assert_array_equal(on, known)
    return on


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=examples(25), deadline=None)
def test_mirrored_motion_gives_mirrored_tags(seed: int) -> None:
    points, facing, missing, times, stature, action, _ = some_motion(seed)
    flip = np.array([1.0, 1.0, -1.0])
    found = tags_of(points[:, :, MIRROR] * flip, facing * flip, missing[:, :, MIRROR], times, stature, action)
    other = {"l": "r", "r": "l"}
    swapped = [TAG_INDEX[name[:-1] + other[name[-1]] if name[-2:] in ("_l", "_r") else name] for name in TAGS]
    np.testing.assert_array_equal(found[..., swapped], tags_of(points, facing, missing, times, stature, action))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=examples(25), deadline=None)
def test_place_direction_size_and_time_of_day_do_not_matter(seed: int) -> None:
    points, facing, missing, times, stature, action, (turn, east, north, size) = some_motion(seed)
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    scale = 1.0 + 0.1 * size
    moved = scale * points @ turned.T + np.array([east, 0.0, north])
    found = tags_of(moved, facing @ turned.T, missing, times + 60.0, scale * stature, action)
    np.testing.assert_array_equal(found, tags_of(points, facing, missing, times, stature, action))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=examples(25), deadline=None)
def test_tags_are_those_of_a_plain_computation_step_by_step(seed: int) -> None:
    points, facing, missing, times, stature, action, _ = some_motion(seed)
    found = tags_of(points, facing, missing, times, stature, action)
    for row, name in enumerate(ACTIONS):
        expected = plain_limb_tags(
            name, points[row] / stature[row], facing[row], missing[row], times[row], action[row] == ACTION_INDEX[name]
        )
        for tag, index in TAG_INDEX.items():
            assert np.flatnonzero(found[row, :, index]).tolist() == sorted(expected.get(tag, ())), tag


def test_the_random_motions_of_these_tests_show_every_tag() -> None:
    found = set[str]()
    for seed in range(40):
        points, facing, missing, times, stature, action, _ = some_motion(seed)
        shown_somewhere = tags_of(points, facing, missing, times, stature, action).any((0, 1))
        found |= {name for name, index in TAG_INDEX.items() if shown_somewhere[index]}
    assert found == {f"{tag}_{side}" for tag in ("strike", "throw", "kick", "carry", "grab") for side in "lr"} | {
        "jump"
    }
