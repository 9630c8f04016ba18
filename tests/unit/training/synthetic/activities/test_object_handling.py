"""Throws, juggling, picking up, carrying, boxing: objects follow the hands, fall freely, or lie still until taken."""

from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.activities.carrying import loads, picking_up
from training.synthetic.activities.fighting import boxing
from training.synthetic.activities.mechanics.contact import ARM, GRAVITY, between_shoulders, chest_rotation, wrist
from training.synthetic.activities.throwing import siteswaps, throw_variants
from training.synthetic.activities.throwing.juggling import FALL
from training.synthetic.motion.motion import Array, rotate
from training.synthetic.motion.movement import ACTION_INDEX, TAG_INDEX, Movement, Style

TIMES = np.linspace(0.0, 6.0, 301)
STEP = float(TIMES[1])


def in_world(movement: Movement, path: Array) -> Array:
    return between_shoulders(movement.poses) + ARM * rotate(chest_rotation(movement.poses), path)


@pytest.mark.parametrize("style", throw_variants.STYLES, ids=lambda one: one.name)
def test_a_thrown_object_leaves_the_hand_and_falls(style: Style) -> None:
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


@pytest.mark.parametrize("style", picking_up.STYLES, ids=lambda one: one.name)
def test_the_hand_reaches_a_resting_object_and_lifts_it(style: Style) -> None:
    for seed in range(8):
        movement = style.make(np.random.default_rng(seed), TIMES)
        assert movement.labels is not None and ACTION_INDEX["pick_up"] in movement.labels
        held = movement.props[-1]
        taken = np.flatnonzero(held.shown > 0.5)
        if not len(taken) or taken[0] == 0:
            continue
        lying = movement.props[-2]
        assert lying.name == held.name and lying.held == "free" and lying.path is not None
        place = in_world(movement, lying.path)[lying.shown > 0.5]
        np.testing.assert_allclose(place, np.broadcast_to(place[0], place.shape), atol=1e-6)
        hand = wrist(movement.poses, 1)
        assert hand[taken[-1], 1] > hand[taken[0], 1] - 0.02 or taken[-1] - taken[0] < 30
        grabs = movement.tags[:, [TAG_INDEX["grab_l"], TAG_INDEX["grab_r"]]].max(1) > 0.5
        assert grabs[taken[0]]
        if style.name in ("hinge", "crouching", "lunging", "on_one_leg"):
            assert place[0, 1] < 0.4, (seed, place[0, 1])


@pytest.mark.parametrize("style", loads.STYLES, ids=lambda one: one.name)
def test_a_carrier_has_a_load_and_keeps_the_hand_still(style: Style) -> None:
    for seed in range(8):
        movement = style.make(np.random.default_rng(seed), TIMES)
        carries = [side for side in (0, 1) if movement.tags[:, TAG_INDEX["carry_l"] + side].min() == 1.0]
        assert movement.action == "carry" and carries and movement.props
        assert all((prop.shown == 1.0).all() for prop in movement.props)
        for side in carries:
            hand = movement.poses[:, 15 + 3 * side : 18 + 3 * side]
            assert np.ptp(hand, 0).max() < 0.2, (seed, np.ptp(hand, 0))


@pytest.mark.parametrize("style", boxing.STYLES, ids=lambda one: one.name)
def test_boxers_strike_from_bent_knees_and_stay_on_the_floor(style: Style) -> None:
    for seed in range(6):
        movement = style.make(np.random.default_rng(seed), TIMES)
        assert movement.action == "punch" and movement.poses[:, 1].max() < 1.02
        assert movement.tags[:, [TAG_INDEX["strike_l"], TAG_INDEX["strike_r"]]].max() == 1.0
        assert abs(movement.poses[:, [0, 2]]).max() < 2.0
