"""Further ways of the same actions: feet that carry stay, who stands goes nowhere, who jumps leaves the ground."""

from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.activities import STYLES, footfalls
from training.synthetic.motion.motion import WIDTH
from training.synthetic.motion.movement import ACTION_INDEX, TAG_INDEX, UNSURE, Movement, Style
from training.synthetic.motion.skeleton import Builds, joints

ONE = np.array([1.7])
BUILD = Builds(
    ONE, 0.245 * ONE, 0.246 * ONE, 0.182 * ONE, 0.148 * ONE, 0.29 * ONE, 0.115 * ONE, 0.062 * ONE, 0.13 * ONE
)
TIMES = np.arange(240) * 0.025


def of(action: str, source: str) -> list[Style]:
    found = [style for style in STYLES if (style.action, style.source) == (action, source)]
    assert found, (action, source)
    return found


def points_of(movement: Movement) -> np.ndarray:
    return joints(movement.poses[None], BUILD)[0][0]


def made(style: Style, seed: int, times: np.ndarray = TIMES) -> tuple[Movement, np.ndarray]:
    movement = style.make(np.random.default_rng(seed), times)
    return movement, points_of(movement)


@pytest.mark.parametrize("action", ["walk", "run"])
def test_a_foot_that_carries_does_not_slide(action: str) -> None:
    """Half the time of a walker, and a good part of a runner's, each foot is where it was."""
    for style in of(action, "footfalls"):
        if style.name == "drill":
            continue
        still = []
        for seed in range(6):
            _, points = made(style, seed)
            ankles = points[:, 15:17][:, :, [0, 2]]
            still.append((np.linalg.norm(np.diff(ankles, axis=0), axis=-1) / 0.025 < 0.1).mean())
        assert np.mean(still) > (0.35 if action == "walk" else 0.1), (style.name, still)


def test_who_walks_gets_somewhere_and_who_stands_goes_nowhere() -> None:
    for style in of("stand", "planted"):
        for seed in range(6):
            movement, points = made(style, seed)
            pelvis = points[:, 11:13].mean(1)
            assert np.ptp(pelvis[:, [0, 2]], axis=0).max() < 0.8, (style.name, seed)
            assert pelvis[:, 1].min() > 0.7, (style.name, seed)
            assert movement.tags[:, TAG_INDEX["stand"]].all() and not movement.tags[:, TAG_INDEX["step"]].any()
    for style in of("walk", "footfalls") + of("run", "footfalls"):
        for seed in range(6):
            movement, points = made(style, seed)
            pelvis = points[:, 11:13].mean(1)[:, [0, 2]]
            speed = np.linalg.norm(np.diff(pelvis, axis=0), axis=-1) / 0.025
            labels = np.full(len(TIMES), ACTION_INDEX[style.action]) if movement.labels is None else movement.labels
            goes = labels[1:] == ACTION_INDEX[style.action]
            assert np.median(speed[goes]) > 0.15, (style.name, seed)


def test_whoever_walks_and_stops_is_said_to_stand_while_the_body_rests() -> None:
    style = next(style for style in of("walk", "footfalls") if style.name == "stop_and_go")
    seen = set()
    for seed in range(8):
        movement, points = made(style, seed)
        assert movement.labels is not None
        pelvis = points[:, 11:13].mean(1)[:, [0, 2]]
        speed = np.linalg.norm(np.gradient(pelvis, 0.025, axis=0), axis=-1)
        stands = movement.labels == ACTION_INDEX["stand"]
        assert not stands.any() or np.median(speed[stands]) < 0.2
        assert np.median(speed[movement.labels == ACTION_INDEX["walk"]]) > 0.4
        seen |= set(movement.labels)
    assert seen == {ACTION_INDEX["stand"], ACTION_INDEX["walk"], UNSURE}


def test_both_feet_leave_the_ground_in_every_jump_and_what_flies_falls() -> None:
    """On the ground an ankle is at most as high as on the toes; in flight the body falls as all bodies do."""
    leg, step = 0.491 * 1.7, 0.01
    times = np.arange(500) * step
    for style in of("jump", "flights"):
        for seed in range(8):
            movement, points = made(style, seed, times)
            pelvis = points[:, 11:13, 1].mean(1)
            airborne = (points[:, 15:17, 1].min(1) > 0.04 * 1.7 + 0.09 * leg)[1:-1]
            assert airborne.any(), (style.name, seed)
            drop = np.diff(pelvis, 2) / step**2
            assert np.median(drop[airborne]) == pytest.approx(-9.81, rel=0.25), (style.name, seed)
            jumps = movement.tags[1:-1, TAG_INDEX["jump"]] > 0.5
            if movement.labels is not None:  # those who run up to it fly as well
                jumps |= movement.labels[1:-1] != ACTION_INDEX["jump"]
            assert jumps[airborne].all(), (style.name, seed)


def test_hands_that_crawl_or_press_stay_on_the_floor_where_they_are_put() -> None:
    for style in [*of("crawl", "planted hands"), *(one for one in STYLES if one.name == "pressing")]:
        still = []
        for seed in range(6):
            _, points = made(style, seed)
            hands = points[:, 9:11]
            moves = np.linalg.norm(np.diff(hands, axis=0), axis=-1) / 0.025
            still.append((moves < 0.1).mean())
            assert points[..., 1].min() > -0.07, (style.name, seed)
            assert points[:, 11:13, 1].max() < 0.95, (style.name, seed)
        assert np.mean(still) > (0.7 if style.action == "push_up" else 0.4), (style.name, still)


def test_a_leg_kicks_while_the_other_one_stands() -> None:
    for style in of("kick", "whip"):
        for seed in range(6):
            movement, points = made(style, seed)
            for side in (0, 1):
                kicks = movement.tags[:, TAG_INDEX["kick_l"] + side] > 0.5
                if kicks.sum() < 8:
                    continue
                stands, swings = points[kicks, 16 - side], points[kicks, 15 + side]
                assert np.ptp(swings, axis=0).max() > 3 * np.median(np.ptp(stands, axis=0)), (style.name, seed)


def test_who_treads_too_slowly_for_a_step_stands_still() -> None:
    times = np.array([0.0, 0.1, 0.2])
    at = footfalls.grid(times)
    found = footfalls.tread(np.random.default_rng(0), times, footfalls.go(at, 0.1, 0.0), footfalls.Gait(cadence=0.05))
    assert np.isfinite(found.poses).all() and found.poses.shape == (3, WIDTH)


def test_a_climb_may_be_long() -> None:
    times = np.arange(64.0)
    at = footfalls.grid(times)
    way = footfalls.go(at, 1.5, 0.0, climb=0.5)
    found = footfalls.tread(np.random.default_rng(0), times, way, footfalls.Gait(cadence=0.9))
    assert np.isfinite(found.poses).all() and found.poses[-1, 1] - found.poses[0, 1] > 30
