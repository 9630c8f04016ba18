"""Kicks forwards, sideways, backwards and at a ball, and a captured punch.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import ANKLES, Array, MotionClip, blend
from training.synthetic.motion.movement import (
    TAG_INDEX,
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    look_around,
    place_arm,
    smoothstep,
    tags_of,
    turn_chest,
)


def kick_with(path: str) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        movement = stance(rng, times, rng.uniform(0.08, 0.2), 0.5)
        look_around(rng, movement.poses, times)
        if rng.random() < 0.6:
            for side in (0, 1):
                place_arm(rng, movement, side, "guard" if path != "ball" else "hang_loose", times)
        else:
            arms_at_rest(rng, movement, times)
        side, act = int(rng.integers(2)), np.zeros_like(times)
        height = rng.uniform(-0.6, 0.25)
        at = times[0] - rng.uniform(0, 1.0)
        while at < times[-1]:
            out, back = rng.uniform(0.18, 0.35), rng.uniform(0.25, 0.5)
            chamber = rng.uniform(0.12, 0.3)
            fold = smoothstep(times, at, chamber) - smoothstep(times, at + chamber, out)
            reach = smoothstep(times, at + chamber, out) - smoothstep(times, at + chamber + out, back)
            folded, stretched = {
                "front": ((0.25, -0.5, 0.05), (0.9, height, 0.05)),
                "side": ((0.2, -0.5, 0.25), (0.25, height, 0.9)),
                "ball": ((-0.45, -0.75, 0.05), (0.55, -0.75, 0.0)),
                "back": ((0.2, -0.55, 0.0), (-0.85, min(height, -0.1), 0.1)),
            }[path]
            flip = np.array([1.0, 1.0, 1.0 if side else -1.0])
            columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
            start = movement.poses[:, columns].copy()
            movement.poses[:, columns] += fold[:, None] * (np.array(folded) * flip - start)
            movement.poses[:, columns] += reach[:, None] * (np.array(stretched) * flip - start)
            lean = {"front": -0.35, "side": 0.0, "ball": -0.15, "back": 0.7}[path]
            turn_chest(movement.poses, lean * reach, 0.2 * reach, (0.0 if path != "side" else -0.5 * flip[2]) * reach)
            on = ((times > at + 0.3 * chamber) & (times < at + chamber + out + 0.8 * back)).astype(float)
            act = np.maximum(act, on)
            movement.tags[:, TAG_INDEX["kick_l"] + side] = np.maximum(movement.tags[:, TAG_INDEX["kick_l"] + side], on)
            at += chamber + out + back + rng.uniform(0.0, 0.7)
            if rng.random() < 0.35:
                side = 1 - side
        movement.action = "kick"
        movement.tags[:, TAG_INDEX["stand"]] = 1 - act
        return movement

    return make


def clip_kick(clip: MotionClip) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        rate = rng.uniform(0.8, 1.2)
        phase = (times * rate + rng.uniform(0, clip.duration)) % (clip.duration + 0.3)
        poses = clip.at(phase)
        # Between two kicks, return to the clip's first pose.
        back = smoothstep(phase, clip.duration - 0.1, 0.4)
        poses = blend(poses, np.broadcast_to(clip.poses[0], poses.shape), back)
        foot = poses[:, [ANKLES.start + 1, ANKLES.start + 4]] + poses[:, 1:2]
        tags = tags_of(len(times))
        for side in (0, 1):
            tags[:, TAG_INDEX["kick_l"] + side] = foot[:, side] > 0.35
        tags[:, TAG_INDEX["stand"]] = foot.max(1) < 0.2
        return Movement(poses, tags, "kick")

    return make


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


STYLES: tuple[Style, ...] = (
    Style("kick", "front", kick_with("front"), 1.2, source="leg path"),
    Style("kick", "side", kick_with("side"), 0.5, source="leg path"),
    Style("kick", "ball", kick_with("ball"), 0.8, source="leg path"),
    Style("kick", "back", kick_with("back"), 0.4, source="leg path"),
)
CAPTURED: tuple[CapturedStyle, ...] = (
    CapturedStyle("kick", "kick", clip_kick, 1.0),
    CapturedStyle("kick", "spinkick", clip_kick, 0.4),
    CapturedStyle("punch", "punch", captured_punch, 1.0),
)
