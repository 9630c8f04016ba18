"""Planted feet and flight: supporting feet stay, standing people stay in place, jumping people leave the ground."""

from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.activities import STYLES
from training.synthetic.activities.mechanics import footfalls
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
def test_a_supporting_foot_does_not_slide(action: str) -> None:
    """Each foot is still for about half of a walk and a good part of a run."""
    for style in of(action, "footfalls"):
        if style.name == "drill":
            continue
        still = []
        for seed in range(6):
            _, points = made(style, seed)
            ankles = points[:, 15:17][:, :, [0, 2]]
            still.append((np.linalg.norm(np.diff(ankles, axis=0), axis=-1) / 0.025 < 0.1).mean())
        assert np.mean(still) > (0.35 if action == "walk" else 0.1), (style.name, still)


def test_walking_covers_distance_and_standing_stays_in_place() -> None:
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


def test_a_walker_who_stops_is_labelled_standing_while_at_rest() -> None:
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


def test_both_feet_leave_the_ground_in_every_jump_and_the_body_falls_freely() -> None:
    """An ankle on the ground is at most as high as on tiptoe."""
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
            if movement.labels is not None:  # a run-up includes flight as well
                jumps |= movement.labels[1:-1] != ACTION_INDEX["jump"]
            assert jumps[airborne].all(), (style.name, seed)


def test_hands_stay_planted_in_crawling_and_push_ups() -> None:
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


def test_one_leg_kicks_while_the_other_stands() -> None:
    for style in of("kick", "whip"):
        for seed in range(6):
            movement, points = made(style, seed)
            for side in (0, 1):
                kicks = movement.tags[:, TAG_INDEX["kick_l"] + side] > 0.5
                if kicks.sum() < 8:
                    continue
                stands, swings = points[kicks, 16 - side], points[kicks, 15 + side]
                assert np.ptp(swings, axis=0).max() > 3 * np.median(np.ptp(stands, axis=0)), (style.name, seed)


def test_a_walker_too_slow_for_a_step_stands_still() -> None:
    times = np.array([0.0, 0.1, 0.2])
    at = footfalls.grid(times)
    found = footfalls.walk_along(
        np.random.default_rng(0), times, footfalls.ground_path(at, 0.1, 0.0), footfalls.Gait(cadence=0.05)
    )
    assert np.isfinite(found.poses).all() and found.poses.shape == (3, WIDTH)


def test_a_long_climb_stays_finite() -> None:
    times = np.arange(64.0)
    at = footfalls.grid(times)
    way = footfalls.ground_path(at, 1.5, 0.0, climb=0.5)
    found = footfalls.walk_along(np.random.default_rng(0), times, way, footfalls.Gait(cadence=0.9))
    assert np.isfinite(found.poses).all() and found.poses[-1, 1] - found.poses[0, 1] > 30
