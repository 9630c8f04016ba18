"""A captured punch, and leaps from one foot.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.locomotion.joint_angles import bend_leg
from training.synthetic.activities.mechanics.contact import GRAVITY
from training.synthetic.activities.mechanics.paths import follow_path
from training.synthetic.motion.motion import ANKLES, Array, MotionClip, blend
from training.synthetic.motion.movement import (
    TAG_INDEX,
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    set_arm,
    smoothstep,
    tags_of,
    turn_chest,
    upright,
)

_PUNCH = (0.45, 1.75)
"""Seconds of the clip between which it is a punch; before and after, the fighter is on guard."""


def captured_punch(clip: MotionClip) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        rate, pause = rng.uniform(1.2, 2.2), rng.uniform(0.1, 0.8)
        phase = (times * rate + rng.uniform(0, clip.duration)) % (clip.duration + pause)
        back = smoothstep(phase, clip.duration - 0.1, pause)
        poses = blend(clip.at(phase), np.broadcast_to(clip.poses[0], (len(times), clip.poses.shape[1])), back)
        for column in (0, 2):  # on the spot: the clip steps ahead
            poses[:, column] -= poses[:, column] * rng.uniform(0.6, 1.0)
        tags = tags_of(len(times), "stand")
        tags[:, TAG_INDEX["strike_r"]] = (phase > _PUNCH[0]) & (phase < _PUNCH[1])
        return Movement(poses, tags, "punch")

    return make


def leaps(rng: Rng, times: Array) -> Movement:
    """Leap from one foot to the other in long or high bounds, legs split in the air. Held out."""
    height = rng.uniform(0.12, 0.4)
    flight = 2 * np.sqrt(2 * height / GRAVITY)
    ground = rng.uniform(0.18, 0.4)
    phase = times / (flight + ground) + rng.random()
    count = np.floor(phase)
    seconds = (phase - count) * (flight + ground)
    air = np.clip((seconds - ground) / flight, 0, 1)
    stance = np.clip(seconds / ground, 0, 1)
    lead = count % 2 == 0  # the right leg leads
    split = np.sin(np.pi * air)
    poses = upright(times)
    knee = 0.25 + rng.uniform(0.3, 0.9) * np.sin(np.pi * stance) * (air == 0)
    for side in (0, 1):
        ahead = lead if side else ~lead
        reach = rng.uniform(0.6, 1.1)
        hip = np.where(ahead, reach * split + 0.4 * knee, -0.6 * split + 0.35 * knee)
        bend_leg(poses, side, hip, np.where(ahead, knee * (1 - 0.4 * split) + 0.5 * split, knee + 0.5 * split), 0.06)
    poses[:, 1] = -poses[:, [ANKLES.start + 1, ANKLES.start + 4]].min(1)
    poses[:, 1] += 4 * height * air * (1 - air) - 0.12 * split
    follow_path(rng, poses, phase * rng.uniform(0.8, 2.2), times, 0.2)
    turn_chest(poses, 0.15, 0.2 * np.where(lead, 1, -1) * split)
    for side in (0, 1):
        angle = 0.3 + rng.uniform(0.6, 1.3) * split * np.where(lead == bool(side), -0.5, 1.0)
        wrist = 0.85 * np.stack([np.sin(angle), -np.cos(angle), 0.25 + 0 * angle], -1)
        set_arm(poses, side, wrist, np.array([-0.5, -0.4, 0.6]))
    return Movement(poses, tags_of(len(times), "jump"), "jump")


STYLES: tuple[Style, ...] = (Style("jump", "leaps", leaps, held_out=True),)
CAPTURED: tuple[CapturedStyle, ...] = (CapturedStyle("punch", "punch", captured_punch, 1.0),)
