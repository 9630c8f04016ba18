"""Throws, juggling, lifting and carrying in their further constructions: things are where the hands have them, fall as
things fall, and lie still until they are taken."""

from __future__ import annotations

import numpy as np
import pytest

from training.activities import more_throws, siteswaps
from training.activities.contact import ARM, GRAVITY, between_shoulders, chest_rotation, wrist
from training.activities.juggling import FALL
from training.motion import Array, rotate
from training.movement import ACTION_INDEX, TAG_INDEX, Movement, Style

TIMES = np.linspace(0.0, 6.0, 301)
STEP = float(TIMES[1])


def in_world(movement: Movement, path: Array) -> Array:
    return between_shoulders(movement.poses) + ARM * rotate(chest_rotation(movement.poses), path)


@pytest.mark.parametrize("style", more_throws.STYLES, ids=lambda one: one.name)
def test_what_is_thrown_in_any_way_leaves_the_hand_and_falls(style: Style) -> None:
    seen = 0
    for seed in range(6):
        movement = style.make(np.random.default_rng(seed), TIMES)
        assert movement.labels is not None and ACTION_INDEX["throw"] in movement.labels
        throwing = movement.tags[:, [TAG_INDEX["throw_l"], TAG_INDEX["throw_r"]]].max(1) > 0.5
        assert throwing[movement.labels == ACTION_INDEX["throw"]].mean() > 0.7
        for held, away in zip(movement.props[::2], movement.props[1::2], strict=True):
            shown = np.flatnonzero(away.shown > 0.5)
            if len(shown) < 3 or shown[0] == 0:
                continue
            hands = [wrist(movement.poses, side)[shown[0]] for side in (0, 1)]
            hand = 0.5 * (hands[0] + hands[1]) if held.held == "both" else hands[1]
            assert away.path is not None
            path = in_world(movement, away.path)[shown]
            assert np.linalg.norm(path[0] - hand) < 0.9, (seed, np.linalg.norm(path[0] - hand))
            airborne = path[path[:, 1] > 0.1][:6, 1]
            if len(airborne) == 6:
                np.testing.assert_allclose(np.diff(airborne, 2) / STEP**2, -GRAVITY, rtol=0.02)
            seen += 1
    assert seen >= 3


@pytest.mark.parametrize("style", siteswaps.STYLES, ids=lambda one: one.name)
def test_every_juggled_ball_is_in_a_hand_or_falls(style: Style) -> None:
    for seed in range(6):
        movement = style.make(np.random.default_rng(seed), TIMES)
        assert movement.action == "juggle" and len(movement.props) >= 2
        hands = [(wrist(movement.poses, side) - between_shoulders(movement.poses)) / ARM for side in (0, 1)]
        turned = chest_rotation(movement.poses) * np.array([1.0, -1.0, -1.0, -1.0])
        hands = [rotate(turned, hand) + np.array([0.0, 0.1, 0.0]) for hand in hands]
        for prop in movement.props:
            assert prop.path is not None and np.isfinite(prop.path).all()
            pull = np.diff(prop.path[:, 1], 2) / STEP**2
            falls = abs(pull + FALL) < 0.5
            near = np.min([np.linalg.norm(prop.path - hand, axis=-1) for hand in hands], 0)[1:-1] < 0.12
            assert (falls | near).mean() > 0.8, (seed, (falls | near).mean())
            assert falls.any(), seed
