"""Further falls, and sitting down and standing up with the hands' help.

Each style is a function (rng, times [T]) → `Movement`. Lengths are leg lengths.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import (
    HAND,
    PRONE,
    SUPINE,
    eased,
    keep_above_floor,
    pitched,
    pose_path,
    put_foot,
    put_hand,
    rest_on_floor,
    standing_pose,
)
from training.synthetic.activities.mechanics.events import event_labels, event_start
from training.synthetic.activities.mechanics.footfalls import bend_arm, plant
from training.synthetic.motion.motion import CHEST, POSITION, ROOT, Array, axis_rotation, blend, quaternion_multiply
from training.synthetic.motion.movement import (
    TAG_INDEX,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    drift,
    look_around,
    smoothstep,
    tags_of,
    upright,
)

_STILL_FALLEN = 0.3


def _standing(rng: Rng, times: Array, apart: float) -> Movement:
    poses, feet = upright(times), np.zeros((len(times), 2, 3))
    feet[:, 0, 2], feet[:, 1, 2] = -apart, apart
    poses[:, 2] = drift(rng, times, 0.02)
    plant(poses, feet, drift(rng, times, 0.04), np.zeros((len(times), 2)))
    movement = Movement(poses, tags_of(len(times), "stand"), "stand")
    arms_at_rest(rng, movement, times)
    return movement


def _lying_pose(rng: Rng, pitch: float, along: float, heading: float) -> Array:
    """Return a lying limb pose [39] with the pelvis at `along` on x and random limbs on the floor."""
    key = pitched(np.zeros(1), 0.05, pitch, rng.uniform(-0.1, 0.2))
    down = -1.0 if pitch == PRONE else 1.0
    key[:, ROOT] = quaternion_multiply(key[:, ROOT], axis_rotation(1, rng.normal(0, 0.2, 1)))
    rest_on_floor(key)
    for side, sign in ((0, -1.0), (1, 1.0)):
        out = sign * (0.12 + rng.uniform(0.0, 0.25))
        put_foot(key, side, np.array([down * rng.uniform(0.6, 0.95), -0.02, out]), (0.1, 0.6 * (down > 0), 0.7))
        bend_arm(key, side, rng.uniform(-0.1, 0.3), rng.uniform(0.3, 1.8), rng.uniform(0.1, 1.4))
    key[:, ROOT] = quaternion_multiply(axis_rotation(1, heading), key[:, ROOT])
    rest_on_floor(key)
    key[:, POSITION] += np.array([along, 0.0, rng.normal(0, 0.1)])
    return key[0]


def _label_fall(poses: Array, times: Array, before: str, start: float, end: float) -> Movement:
    keep_above_floor(poses)
    movement = Movement(poses, tags_of(len(times)), "fall")
    movement.tags[:, TAG_INDEX[before]] = times < start
    movement.tags[:, TAG_INDEX["lie"]] = times > start + 0.7 * (end - start)
    movement.labels = event_labels(times, before, "fall", "lie", start, end + _STILL_FALLEN)
    return movement


def trip(rng: Rng, times: Array) -> Movement:
    """Trip forwards: a step too short, the trunk ahead of the feet, down on hands and knees, then flat."""
    seconds = rng.uniform(0.7, 1.2)
    start = event_start(rng, times, seconds + _STILL_FALLEN)
    standing = _standing(rng, times, 0.1)
    far = rng.uniform(0.3, 0.9)
    stumble, fours = standing_pose(), standing_pose()
    stumble[:, POSITION] = (0.45 * far, 0.78, 0.0)
    stumble[:, ROOT] = axis_rotation(2, np.array([-rng.uniform(0.5, 0.9)]))
    step = int(rng.integers(2))
    put_foot(stumble, step, np.array([0.7 * far, 0.0, 0.1 if step else -0.1]), (1.0, 0.3, 0.1))
    put_foot(stumble, 1 - step, np.array([-0.25, 0.1, -0.1 if step else 0.1]), (1.0, -0.4, 0.1))
    fours[:, POSITION] = (0.8 * far + 0.1, 0.38, 0.0)
    fours[:, ROOT] = axis_rotation(2, np.array([-1.3]))
    for side, sign in ((0, -1.0), (1, 1.0)):
        bend_arm(stumble, side, rng.uniform(1.0, 1.9), 0.3, 0.3)
        put_hand(fours, side, np.array([0.8 * far + 0.85, HAND, sign * 0.24]), (-1.0, 0.3, 0.9))
        put_foot(fours, side, np.array([0.8 * far - 0.4, 0.0, sign * 0.14]), (0.6, -1.0, 0.1))
    lying = _lying_pose(rng, PRONE, far + 0.2, rng.normal(0, 0.15))
    instants = tuple(start + seconds * np.array([0.0, 0.4, 0.72, 1.0]))
    falls = pose_path(times, instants, (standing.poses[0], stumble[0], fours[0], lying))
    poses = blend(standing.poses, falls, smoothstep(times, start - 0.1, 0.25))
    return _label_fall(poses, times, "stand", start, start + seconds)


def slump(rng: Rng, times: Array) -> Movement:
    """Faint: the knees give, the body sinks along a wall or into itself, tips to one side and lies."""
    seconds = rng.uniform(0.9, 1.7)
    start = event_start(rng, times, seconds + _STILL_FALLEN)
    standing = _standing(rng, times, 0.1)
    way = rng.choice([-1.0, 1.0])
    sinks, low = standing_pose(), standing_pose()
    sinks[:, POSITION] = (-0.12, 0.55, 0.05 * way)
    low[:, POSITION] = (-0.3, 0.06, 0.1 * way)
    for key, lean in ((sinks, rng.uniform(0.0, 0.3)), (low, rng.uniform(-0.2, 0.3))):
        key[:, ROOT] = quaternion_multiply(
            axis_rotation(2, np.array([-lean])), axis_rotation(0, np.array([0.25 * way]))
        )
        key[:, CHEST] = axis_rotation(2, np.array([-rng.uniform(0.1, 0.5)]))
        for side, sign in ((0, -1.0), (1, 1.0)):
            put_foot(key, side, np.array([rng.uniform(0.05, 0.3), 0.0, sign * 0.14]), (1.0, 0.6, 0.4))
            bend_arm(key, side, rng.uniform(-0.1, 0.4), 0.2, 0.3)
    lying = _lying_pose(rng, SUPINE, -0.25, rng.uniform(-0.9, 0.9))
    lying[ROOT] = quaternion_multiply(lying[ROOT], axis_rotation(1, np.array(0.6 * way)))
    instants = tuple(start + seconds * np.array([0.0, 0.35, 0.65, 1.0]))
    falls = pose_path(times, instants, (standing.poses[0], sinks[0], low[0], lying))
    poses = blend(standing.poses, falls, smoothstep(times, start - 0.1, 0.25))
    rest_on_floor(poses, smoothstep(times, start + 0.7 * seconds, 0.3 * seconds))
    return _label_fall(poses, times, "stand", start, start + seconds)


def _label_change(movement: Movement, times: Array, start: float, end: float, action: str) -> Movement:
    before, after = ("sit", "stand") if action == "stand_up" else ("stand", "sit")
    movement.action, movement.tags = action, tags_of(len(times))
    movement.labels = event_labels(times, before, action, after, start, end)
    movement.tags[:, TAG_INDEX[before]] = times < start + 0.2 * (end - start)
    movement.tags[:, TAG_INDEX[after]] = times > end - 0.15 * (end - start)
    return movement


def _with_hands(rng: Rng, times: Array, action: str) -> Movement:
    """Sit down or stand up slowly in several attempts: hands on the armrests or thighs, a swing before it."""
    seconds = rng.uniform(1.0, 3.2)
    start = event_start(rng, times, seconds)
    share = np.clip((times - start) / seconds, 0, 1)
    down = share if action == "sit_down" else 1 - share
    seat, apart = rng.uniform(0.3, 0.62), rng.uniform(0.08, 0.22)
    depth = rng.uniform(0.35, 0.5)
    bow = eased(down, (0.0, rng.uniform(0.3, 0.6), 1.0), (0.05, rng.uniform(0.5, 1.2), rng.uniform(-0.1, 0.25)))
    level = eased(down, (rng.uniform(0.1, 0.25), rng.uniform(0.75, 0.95)), (0.98, seat))
    poses = pitched(times, level, 0.6 * bow, 0.4 * bow)
    poses[:, 0] = -depth * eased(down, (0.0, 0.8), (0.0, 1.0))
    for side, sign in ((0, -1.0), (1, 1.0)):
        put_foot(poses, side, np.array([rng.normal(0, 0.05), 0.0, sign * apart]), (1.0, 0.5, 0.15))
    movement = Movement(poses, tags_of(len(times)), action)
    arms_at_rest(rng, movement, times, sitting=True)
    on = np.clip(3 * np.sin(np.pi * np.clip(down, 0, 1)), 0, 1)
    for side, sign in ((0, -1.0), (1, 1.0)):
        if side == 0 or rng.random() < 0.8:
            rest = np.array(
                [-depth + rng.uniform(0.0, 0.35), seat + rng.uniform(0.0, 0.25), sign * rng.uniform(0.12, 0.34)]
            )
            put_hand(poses, side, rest, (-1.0, 0.3, 0.5), on)
    movement.props = []
    look_around(rng, poses, times)
    return _label_change(movement, times, start, start + seconds, action)


def sit_with_hands(rng: Rng, times: Array) -> Movement:
    """Sit down on a high or low seat with the hands' help."""
    return _with_hands(rng, times, "sit_down")


def rise_with_hands(rng: Rng, times: Array) -> Movement:
    """Push up from a high or low seat with the hands' help."""
    return _with_hands(rng, times, "stand_up")


STYLES: tuple[Style, ...] = (
    Style("fall", "trip", trip, 1.5),
    Style("fall", "slump", slump, 1.3),
    Style("sit_down", "with_hands", sit_with_hands, 2.0),
    Style("stand_up", "with_hands", rise_with_hands, 2.0),
)
