"""Crawling on hands and knees, on the forearms, and on hands and feet.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.floor.lying import set_leg
from training.synthetic.activities.mechanics.contact import HAND, PRONE, pitched, put_foot, put_hand, rest_on_floor
from training.synthetic.activities.mechanics.paths import follow_path
from training.synthetic.motion.motion import (
    POSITION,
    ROOT,
    Array,
    MotionClip,
    axis_rotation,
    quaternion_multiply,
    rotate,
)
from training.synthetic.motion.movement import (
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    drift,
    set_arm,
    steps,
    tags_of,
    turn_head,
)


def _stroke(phase: Array, share: float) -> tuple[Array, Array]:
    """Return a limb's position along its stroke [T], from 0.5 ahead to −0.5 behind, and its lift [T] from 0 to 1.

    It bears weight for `share` of the cycle.
    """
    cycle = phase % 1.0
    swing = np.clip((cycle - share) / (1 - share), 0, 1)
    along = np.where(cycle < share, 0.5 - cycle / share, -0.5 + swing * swing * (3 - 2 * swing))
    return along, np.where(cycle < share, 0.0, np.sin(np.pi * swing))


def _crawl(poses: Array) -> Movement:
    return Movement(poses, tags_of(len(poses), "step"), "crawl")


def hands_and_knees(rng: Rng, times: Array) -> Movement:
    """Crawl with a diagonal or lateral gait: thighs and arms upright, shins on the floor."""
    rate, reach = rng.uniform(0.45, 1.2), rng.uniform(0.14, 0.32)
    phase = rate * times + drift(rng, times, 0.05, 5.0, 2.0) + rng.random()
    lag, share = rng.choice([0.5, 0.55, 0.25]), rng.uniform(0.58, 0.7)
    poses = pitched(times, 0.44 + 0.01 * np.sin(4 * np.pi * phase), rng.uniform(1.25, 1.5), rng.uniform(-0.1, 0.15))
    poses[:, 2] = 0.03 * np.sin(2 * np.pi * phase)
    turn_head(poses, rng.uniform(-1.0, -0.1), steps(rng, times, 0.5, (0.8, 4.0), (0.3, 0.7)))
    width = rng.uniform(0.12, 0.22)
    for side, sign in ((0, -1.0), (1, 1.0)):
        along, up = _stroke(phase + 0.5 * side, share)
        knee_at = -0.46 + reach * along
        put_foot(poses, side, np.stack([knee_at, -0.02 + 0.03 * up, 0 * along + sign * 0.13], -1), (0.6, -1.0, 0.0))
        along, up = _stroke(phase + 0.5 * side + lag, share)
        ahead = 0.58 + reach * along
        put_hand(poses, side, np.stack([ahead, HAND + 0.12 * up, 0 * along + sign * width], -1), (-1.0, 0.2, 0.5))
    follow_path(rng, poses, rate * times * reach / share, times, rng.uniform(0.0, 0.4))
    return _crawl(poses)


def on_forearms(rng: Rng, times: Array) -> Movement:
    """Crawl flat on the floor, pulling with the forearms and pushing with the knees in turn. Held out."""
    rate = rng.uniform(0.35, 0.8)
    phase = rate * times + drift(rng, times, 0.05, 5.0, 2.0) + rng.random()
    twist = 0.25 * np.sin(2 * np.pi * phase)
    poses = pitched(times, 0.08, PRONE - 0.08, -rng.uniform(0.2, 0.4))
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(1, twist))
    turn_head(poses, -rng.uniform(0.2, 0.7), steps(rng, times, 0.4, (0.8, 3.0), (0.3, 0.7)))
    for side, sign in ((0, 1.0), (1, -1.0)):
        pull = 0.5 + 0.5 * sign * np.sin(2 * np.pi * phase)
        set_leg(
            poses, side,
            np.stack([0.04 + 0 * pull, -0.95 + 0.42 * pull, 0.1 + 0.28 * pull], -1),
            np.stack([0.5 - 0.4 * pull, 0.3 * pull, 0.3 + 0.7 * pull], -1),
        )  # fmt: skip
        ahead = 0.5 - 0.5 * sign * np.sin(2 * np.pi * phase + 0.4)
        wrist = np.stack([0.30 + 0.08 * ahead, 0.05 + 0.5 * ahead, 0 * ahead - 0.02], -1)
        set_arm(poses, side, wrist, np.array([0.3, -0.6, 0.8]))
    rest_on_floor(poses)
    follow_path(rng, poses, 0.3 * rate * times, times, rng.uniform(0.0, 0.4))
    return _crawl(poses)


def bear_crawl(rng: Rng, times: Array) -> Movement:
    """Crawl on hands and feet, the hips above the shoulders."""
    rate, reach = rng.uniform(0.5, 1.1), rng.uniform(0.2, 0.4)
    phase = rate * times + drift(rng, times, 0.05, 5.0, 2.0) + rng.random()
    level = rng.uniform(0.58, 0.74)
    poses = pitched(times, level + 0.02 * np.sin(4 * np.pi * phase), rng.uniform(1.55, 1.85))
    turn_head(poses, rng.uniform(-0.8, 0.2), drift(rng, times, 0.2))
    for side, sign in ((0, -1.0), (1, 1.0)):
        along, up = _stroke(phase + 0.5 * side, 0.6)
        put_foot(
            poses, side, np.stack([-0.22 + reach * along, 0.06 + 0.1 * up, 0 * up + sign * 0.15], -1), (1.0, 0.3, 0.4)
        )
        along, up = _stroke(phase + 0.5 * side + 0.5, 0.6)
        put_hand(
            poses, side, np.stack([0.62 + reach * along, HAND + 0.1 * up, 0 * up + sign * 0.2], -1), (-1.0, 0.2, 0.5)
        )
    follow_path(rng, poses, rate * times * reach / 0.6, times, rng.uniform(0.0, 0.4))
    return _crawl(poses)


def captured_crawl(clip: MotionClip) -> Maker:
    way = float(np.arctan2(-clip.travel[1], clip.travel[0]))

    def make(rng: Rng, times: Array) -> Movement:
        poses = clip.at(times * rng.uniform(0.7, 1.5) + rng.uniform(0, clip.duration))
        ahead = axis_rotation(1, -way)  # along x, as in all other styles
        poses[:, POSITION] = rotate(ahead, poses[:, POSITION] - poses[0, POSITION] * np.array([1.0, 0.0, 1.0]))
        poses[:, ROOT] = quaternion_multiply(ahead, poses[:, ROOT])
        return _crawl(poses)

    return make


STYLES: tuple[Style, ...] = (
    Style("crawl", "hands_and_knees", hands_and_knees, 1.5, source="strokes"),
    Style("crawl", "bear", bear_crawl, 0.6, source="strokes"),
    Style("crawl", "forearms", on_forearms, held_out=True),
)
CAPTURED: tuple[CapturedStyle, ...] = (CapturedStyle("crawl", "crawl", captured_crawl, 1.0),)
