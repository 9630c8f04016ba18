"""Held-out movement from joint angles: walking, running, kicking, crouching and sitting.

It shares no construction with trained movement, in which feet and hands follow paths. The curves of walking and running
are the usual ones of gait analysis. Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import FLOOR, THIGH
from training.synthetic.activities.mechanics.paths import follow_path
from training.synthetic.motion.motion import ANKLES, KNEES, ROOT, Array, axis_rotation
from training.synthetic.motion.movement import (
    TAG_INDEX,
    Maker,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    drift,
    look_around,
    place_arm,
    set_arm,
    smoothstep,
    tags_of,
    turn_chest,
    turn_head,
    upright,
)

# Flexion in degrees at each tenth of a cycle, which begins with the foot's contact.
_WALK_HIP = (30.0, 25.0, 15.0, 4.0, -5.0, -10.0, -5.0, 12.0, 25.0, 32.0)
_WALK_KNEE = (4.0, 15.0, 17.0, 10.0, 6.0, 12.0, 36.0, 60.0, 50.0, 18.0)
_RUN_HIP = (38.0, 34.0, 18.0, 0.0, -10.0, -4.0, 18.0, 42.0, 52.0, 48.0)
_RUN_KNEE = (20.0, 40.0, 38.0, 24.0, 22.0, 50.0, 88.0, 95.0, 66.0, 28.0)


def _periodic(samples: tuple[float, ...], phase: Array) -> Array:
    """Return the smooth periodic curve through equally spaced samples, in radians, at `phase` [T] (cycles)."""
    waves = np.fft.rfft(np.radians(samples)) / len(samples)
    orders = np.arange(len(waves))
    weights = np.where((orders == 0) | (orders == len(samples) // 2), 1.0, 2.0)
    turns = np.exp(2j * np.pi * phase[:, None] * orders)
    return (weights * waves * turns).sum(-1).real


def bend_leg(poses: Array, side: int, hip: Array | float, knee: Array | float, out: Array | float = 0.0) -> None:
    """Flex a hip and a knee by radians, in place; `out` moves the thigh sideways."""
    hip, knee, out = np.broadcast_arrays(np.asarray(hip, float), np.asarray(knee, float), np.asarray(out, float))
    shin = hip - knee
    ahead = THIGH * np.sin(hip) + (1 - THIGH) * np.sin(shin)
    down = THIGH * np.cos(hip) + (1 - THIGH) * np.cos(shin)
    sign = 1.0 if side else -1.0
    ankle = np.stack([ahead, -down * np.cos(out), sign * down * np.sin(out)], -1)
    pole = np.stack([np.cos(hip), np.sin(hip) * np.cos(out), sign * (0.05 + np.sin(out))], -1)
    poses[:, ANKLES.start + 3 * side : ANKLES.start + 3 * side + 3] = ankle
    poses[:, KNEES.start + 3 * side : KNEES.start + 3 * side + 3] = pole


def _on_lower_foot(poses: Array) -> None:
    """Put the pelvis at the height at which the lower foot is on the ground, in place."""
    poses[:, 1] = -poses[:, [ANKLES.start + 1, ANKLES.start + 4]].min(1)


def gait(action: str) -> Maker:
    hips, knees = (_WALK_HIP, _WALK_KNEE) if action == "walk" else (_RUN_HIP, _RUN_KNEE)

    def make(rng: Rng, times: Array) -> Movement:
        size = rng.uniform(0.65, 1.15)
        cadence = rng.uniform(0.65, 1.1) if action == "walk" else rng.uniform(1.2, 1.6)
        phase = cadence * times + drift(rng, times, 0.03, 5.0, 2.0) + rng.random()
        poses = upright(times)
        for side in (0, 1):
            own = phase + 0.5 * side
            bend_leg(poses, side, size * _periodic(hips, own), np.maximum(size * _periodic(knees, own), 0.03))
        _on_lower_foot(poses)
        stride = 2 * 0.82 * size if action == "walk" else rng.uniform(2.2, 3.0) * size
        if action == "run":
            poses[:, 1] += rng.uniform(0.02, 0.06) * (1 + np.cos(4 * np.pi * (phase - 0.4)))
        follow_path(rng, poses, stride * phase, times, rng.uniform(0.0, 0.6))
        turn_chest(
            poses, rng.uniform(-0.02, 0.08) + (0.1 if action == "run" else 0.0), 0.1 * size * np.sin(2 * np.pi * phase)
        )
        elbow = rng.uniform(0.1, 0.5) if action == "walk" else rng.uniform(1.3, 1.8)
        swing_size = rng.uniform(0.15, 0.5)
        for side in (0, 1):
            swing = -0.1 - swing_size * np.cos(2 * np.pi * (phase + 0.5 * side)) * (1 if action == "walk" else 1.3)
            wrist = 0.55 * _hanging(swing) + 0.45 * _hanging(swing + elbow)
            set_arm(poses, side, wrist + np.array([0.0, 0.0, 0.12]), np.array([-1.0, -0.2, 0.3]))
        look_around(rng, poses, times)
        return Movement(poses, tags_of(len(times), "step", "swing"), action)

    return make


def _hanging(angle: Array) -> Array:
    """Return directions [T, 3] of a hanging limb that is turned forwards by `angle` [T]."""
    return np.stack([np.sin(angle), -np.cos(angle), 0 * angle], -1)


def kick(rng: Rng, times: Array) -> Movement:
    """Swing the thigh up, with the shin following like a whip; the other leg gives a little."""
    poses = upright(times)
    movement = Movement(poses, tags_of(len(times), "stand"), "kick")
    arms_at_rest(rng, movement, times)
    side, act = int(rng.integers(2)), np.zeros_like(times)
    height, out = rng.uniform(0.5, 1.6), rng.uniform(0.0, 0.7)
    hip, knee = np.zeros_like(times), np.full_like(times, 0.08)
    at = times[0] - rng.uniform(0.0, 1.0)
    while at < times[-1]:
        back, swing, down = rng.uniform(0.2, 0.4), rng.uniform(0.2, 0.35), rng.uniform(0.35, 0.6)
        drawn = smoothstep(times, at, back) - smoothstep(times, at + back, 0.6 * swing)
        thigh = smoothstep(times, at + back, swing) - smoothstep(times, at + back + swing + 0.05, down)
        folded = smoothstep(times, at, back) - smoothstep(times, at + back + 0.4 * swing, 0.6 * swing)
        again = smoothstep(times, at + back + swing + 0.05, 0.4 * down) - smoothstep(
            times, at + back + swing + 0.5 * down, 0.5 * down
        )
        hip += height * thigh - 0.5 * drawn
        knee += 1.4 * folded + 0.8 * again
        act = np.maximum(act, (times > at + 0.6 * back) & (times < at + back + swing + 0.8 * down))
        at += back + swing + down + rng.uniform(0.1, 0.9)
    bend_leg(poses, side, hip, knee, out * np.clip(hip, 0, 1))
    bend_leg(poses, 1 - side, 0.06 + 0.1 * act, 0.12 + 0.2 * act)
    poses[:, 1] = -poses[:, ANKLES.start + 3 * (1 - side) + 1]
    poses[:, 2] = (0.08 if side == 0 else -0.08) * smoothstep(act, 0.0, 1.0)
    turn_chest(poses, -0.25 * np.clip(hip, 0, 2) + drift(rng, times, 0.03))
    movement.tags[:, TAG_INDEX["kick_l"] + side] = act
    movement.tags[:, TAG_INDEX["stand"]] = 1 - act
    return movement


def crouch(rng: Rng, times: Array) -> Movement:
    """Crouch with shin, thigh and trunk at angles that keep balance, in a low squat or on one raised heel."""
    shin = rng.uniform(0.35, 0.65) + drift(rng, times, 0.02)
    knee = rng.uniform(1.5, 2.35) + drift(rng, times, 0.05)
    thigh = shin - knee  # from the vertical, backwards from knee to hip
    poses = upright(times)
    for side in (0, 1):
        back = 0.25 * side * (rng.random() < 0.4)
        bend_leg(poses, side, -thigh - 0.3 * back, knee + 0.4 * back, rng.uniform(0.1, 0.6))
    poses[:, 0] = -(0.5 * np.sin(shin) + 0.5 * np.sin(thigh)) * -1
    _on_lower_foot(poses)
    lean = rng.uniform(0.3, 0.7) + drift(rng, times, 0.05)
    turn_chest(poses, lean)
    turn_head(poses, -0.6 * lean + rng.normal(0, 0.2), drift(rng, times, 0.3))
    movement = Movement(poses, tags_of(len(times), "crouch"), "crouch")
    for side in (0, 1):
        place_arm(rng, movement, side, str(rng.choice(["lap", "front", "table", "clasped", "chin"])), times)
    return movement


def sit(rng: Rng, times: Array) -> Movement:
    """Sit on a chair or bench, with drawn angles of trunk, hip and knee; the shins give the seat's height."""
    slouch = rng.uniform(-0.15, 0.4)
    poses = upright(times)
    poses[:, ROOT] = axis_rotation(2, np.full_like(times, rng.uniform(0.0, 0.3)))
    seat = 0.0
    for side in (0, 1):
        hip, knee = rng.uniform(1.35, 1.65), rng.uniform(1.0, 1.9)
        bend_leg(
            poses,
            side,
            hip + drift(rng, times, 0.03, 4.0, 0.8),
            knee + drift(rng, times, 0.05, 4.0, 0.8),
            rng.uniform(0.0, 0.35),
        )
        seat = max(seat, float(-poses[:, ANKLES.start + 3 * side + 1].mean()))
    poses[:, 1] = max(seat, FLOOR + 0.3)
    turn_chest(poses, slouch + drift(rng, times, 0.05), drift(rng, times, 0.15))
    look_around(rng, poses, times)
    movement = Movement(poses, tags_of(len(times), "sit"), "sit")
    arms_at_rest(rng, movement, times, sitting=True)
    return movement


STYLES: tuple[Style, ...] = (
    Style("walk", "angles", gait("walk"), held_out=True, source="angles"),
    Style("run", "angles", gait("run"), held_out=True, source="angles"),
    Style("kick", "angles", kick, held_out=True, source="angles"),
    Style("crouch", "angles", crouch, held_out=True, source="angles"),
    Style("sit", "angles", sit, held_out=True, source="angles"),
)
