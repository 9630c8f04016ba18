"""Gestures do what their tags say: waves oscillate, clapping hands meet, fists move, and near misses keep the
action."""

from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.motion.motion import WRISTS, Array
from training.synthetic.motion.movement import HAND_TAGS, TAG_INDEX, Movement, tags_of, upright
from training.synthetic.motion.procedural import GESTURES, Gesture
from training.synthetic.motion.skeleton import Builds, joints

ONE = np.array([1.7])
BUILD = Builds(
    ONE, 0.245 * ONE, 0.246 * ONE, 0.182 * ONE, 0.148 * ONE, 0.29 * ONE, 0.115 * ONE, 0.062 * ONE, 0.13 * ONE
)
ARM = float(BUILD.arm[0])
TIMES = np.linspace(0.0, 6.0, 301)


def made(gesture: Gesture, seed: int) -> Movement:
    movement = Movement(upright(TIMES), tags_of(len(TIMES), "stand"), "stand")
    gesture.apply(np.random.default_rng(seed), movement, TIMES, np.ones_like(TIMES))
    return movement


def hands(movement: Movement) -> Array:
    """Return wrists [T, 2, 3] in arm lengths."""
    return joints(movement.poses[None], BUILD)[0][0, :, 9:11] / ARM


def of(action: str | None) -> list[Gesture]:
    return [gesture for gesture in GESTURES if gesture.action == action and not gesture.held_out]


def turning_points(path: Array) -> int:
    """Return how often a path [T, 3] reverses along its main direction."""
    moved = path - path.mean(0)
    along = moved @ np.linalg.svd(moved, full_matrices=False)[2][0]
    pace = np.diff(along)
    pace = pace[abs(pace) > 0.02 * abs(pace).max()]
    return int((np.diff(np.sign(pace)) != 0).sum())


@pytest.mark.parametrize("gesture", of("wave"), ids=lambda one: one.name)
def test_every_wave_moves_a_hand_to_and_fro(gesture: Gesture) -> None:
    for seed in range(8):
        movement = made(gesture, seed)
        waves = [side for side in (0, 1) if movement.tags[:, TAG_INDEX["wave_l"] + side].min() == 1.0]
        assert waves, seed
        for side in waves:
            path = hands(movement)[:, side]
            assert turning_points(path) >= 3, (seed, side)
            assert np.ptp(path, 0).max() > 0.04, (seed, side)


@pytest.mark.parametrize("gesture", of("clap"), ids=lambda one: one.name)
def test_clapping_hands_meet_and_part_repeatedly(gesture: Gesture) -> None:
    for seed in range(8):
        movement = made(gesture, seed)
        both = movement.tags[:, [TAG_INDEX["applaud_l"], TAG_INDEX["applaud_r"]]]
        assert both.min() == 1.0
        apart = np.linalg.norm(hands(movement)[:, 1] - hands(movement)[:, 0], axis=-1)
        assert apart.min() < 0.2, (seed, apart.min())
        middle = 0.5 * (apart.min() + apart.max())
        meets = (np.diff((apart < middle).astype(int)) > 0).sum()
        assert meets >= 2, (seed, meets)
        assert np.ptp(apart) > 0.05, seed


@pytest.mark.parametrize("gesture", of("punch"), ids=lambda one: one.name)
def test_a_striking_fist_moves(gesture: Gesture) -> None:
    for seed in range(8):
        movement = made(gesture, seed)
        struck = 0.0
        for side in (0, 1):
            on = movement.tags[:, TAG_INDEX["strike_l"] + side] > 0.5
            if on.any():
                struck = max(struck, float(np.ptp(hands(movement)[on, side], 0).max()))
        assert struck > 0.1, seed


@pytest.mark.parametrize("gesture", of(None), ids=lambda one: one.name)
def test_a_near_miss_neither_changes_the_action_nor_tags_a_hand_with_one(gesture: Gesture) -> None:
    acts = [
        TAG_INDEX[f"{name}_{side}"] for name in ("wave", "applaud", "strike", "throw", "grab", "carry") for side in "lr"
    ]
    for seed in range(8):
        movement = made(gesture, seed)
        assert movement.action == "stand" and movement.labels is None
        assert not movement.tags[:, acts].any()
        assert movement.tags[:, TAG_INDEX["stand"]].all()
        held = [prop for prop in movement.props if prop.held != "free"]
        assert held or not movement.tags[:, [TAG_INDEX["hold_l"], TAG_INDEX["hold_r"]]].any(), "nothing is in the hand"


@pytest.mark.parametrize("gesture", GESTURES, ids=lambda one: one.name)
def test_a_gesture_stays_within_reach_and_speed_limits_and_is_deterministic_by_seed(gesture: Gesture) -> None:
    one, again = made(gesture, 5), made(gesture, 5)
    np.testing.assert_array_equal(one.poses, again.poses)
    assert np.linalg.norm(one.poses[:, WRISTS].reshape(-1, 2, 3), axis=-1).max() < 1.2
    speed = np.linalg.norm(np.diff(hands(one), axis=0), axis=-1) / 0.02
    assert np.percentile(speed, 98) < 25, "arm lengths per second"


def test_a_near_miss_with_zero_weight_changes_nothing() -> None:
    for gesture in of(None):
        movement = Movement(upright(TIMES), tags_of(len(TIMES), "stand"), "stand")
        gesture.apply(np.random.default_rng(1), movement, TIMES, np.zeros_like(TIMES))
        np.testing.assert_allclose(movement.poses[:, WRISTS], upright(TIMES)[:, WRISTS], atol=1e-9)
        assert not movement.tags[:, HAND_TAGS].any(), gesture.name
        assert not any((prop.shown > 0.5).any() for prop in movement.props), gesture.name
