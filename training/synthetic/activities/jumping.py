"""Jumping: up, forwards, off a box, hopping, jumping jacks, leaps from one foot.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.activities.mechanics.contact import GRAVITY, bend_leg
from training.synthetic.activities.mechanics.paths import follow_path
from training.synthetic.activities.standing import stance
from training.synthetic.motion.motion import ANKLES, Array, MotionClip
from training.synthetic.motion.movement import (
    TAG_INDEX,
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    arms_at_rest,
    place_arm,
    set_arm,
    stand_on,
    tags_of,
    turn_chest,
    upright,
)


def _jump_cycle(times: Array, start: float, dip: float, height: float, prep: float) -> tuple[Array, Array, float]:
    """Return the pelvis offset [T] and jump flag [T] of one jump that begins its dip at `start`, and the instant at
    which it ends."""
    flight = 2 * np.sqrt(2 * height * 0.82 / 9.81)  # heights are in leg lengths of about 0.82 m
    take_off, land = start + prep, start + prep + flight
    end = land + 0.5 * prep + 0.2
    x = np.clip((times - take_off) / flight, 0, 1)
    offset = 4 * height * x * (1 - x)
    crouch = np.sin(np.pi * np.clip((times - start) / prep, 0, 1)) ** 1
    landing = np.sin(np.pi * np.clip((times - land) / (end - land), 0, 1))
    act = ((times > start + 0.3 * prep) & (times < end - 0.2 * (end - land))).astype(float)
    return offset - dip * crouch - 0.7 * dip * landing, act, end


def _repeated_jumps(
    rng: Rng, times: Array, *, height: tuple[float, float], prep: tuple[float, float], pause: tuple[float, float]
) -> tuple[Movement, Array, Array]:
    movement = stance(rng, times, rng.uniform(0.06, 0.2), 0.3)
    movement.action = "jump"
    offset, act = np.zeros_like(times), np.zeros_like(times)
    at = times[0] - rng.uniform(0, 1.0)
    size, dip, length = rng.uniform(*height), rng.uniform(0.06, 0.3), rng.uniform(*prep)
    while at < times[-1]:
        up, on, at = _jump_cycle(times, at, dip * min(1.0, length * 3), size, length)
        offset, act = offset + up, np.maximum(act, on)
        at += rng.uniform(*pause)
    movement.poses[:, 1] += offset
    feet_up = np.maximum(offset, 0)
    feet = np.zeros((len(times), 2, 3))
    width = rng.uniform(0.06, 0.16)
    feet[:, 0, 2], feet[:, 1, 2] = -width, width
    feet[:, :, 1] = feet_up[:, None]
    tuck = rng.choice([0.0, 0.15, 0.35], p=[0.5, 0.3, 0.2]) * feet_up / max(size, 1e-6)
    feet[:, :, 1] += tuck[:, None]
    feet[:, :, 0] -= 0.3 * tuck[:, None]
    stand_on(movement.poses, feet)
    turn_chest(movement.poses, 1.4 * np.maximum(-offset, 0))
    movement.tags[:, TAG_INDEX["jump"]] = act
    movement.tags[:, TAG_INDEX["stand"]] = 1 - act
    return movement, offset, act


def vertical_jumps(rng: Rng, times: Array) -> Movement:
    movement, offset, _ = _repeated_jumps(rng, times, height=(0.15, 0.6), prep=(0.3, 0.7), pause=(0.0, 0.6))
    if rng.random() < 0.7:  # the arms swing with the jump
        swing = rng.uniform(0.6, 1.8)
        for side in (0, 1):
            angle = -0.3 + swing * 2.4 * offset
            wrist = np.stack([np.sin(angle) * 0.9, -np.cos(angle) * 0.9, 0 * angle + 0.15], -1)
            set_arm(movement.poses, side, wrist, np.array([-0.6, -0.3, 0.5]))
    else:
        arms_at_rest(rng, movement, times)
    if rng.random() < 0.35:  # forwards
        movement.poses[:, 0] += (
            np.cumsum(np.maximum(offset, 0))
            * rng.uniform(0.05, 0.6)
            * np.diff(times, prepend=times[0]).clip(0, 0.3)
            * 10
        )
    return movement


def hopping(rng: Rng, times: Array) -> Movement:
    """Make small quick jumps, as with a skipping rope, on both feet or one."""
    movement, _, _ = _repeated_jumps(rng, times, height=(0.06, 0.18), prep=(0.12, 0.25), pause=(0.0, 0.05))
    phase = times * rng.uniform(1.5, 2.5)
    for side in (0, 1):
        if rng.random() < 0.5:
            place_arm(rng, movement, side, "hang_loose", times)
        else:
            circle = np.stack(
                [0.25 + 0.08 * np.cos(6.28 * phase), -0.6 + 0.08 * np.sin(6.28 * phase), 0.35 + 0 * phase], -1
            )
            set_arm(movement.poses, side, circle, np.array([-0.6, -0.6, 0.4]))
    if rng.random() < 0.3:
        side = int(rng.integers(2))
        columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
        movement.poses[:, columns] = np.array([-0.25, -0.62, 0.02])
    return movement


def long_jumps(rng: Rng, times: Array) -> Movement:
    """Leap forwards from both feet, with a deep bend before and after and the arms thrown ahead."""
    movement, offset, _ = _repeated_jumps(rng, times, height=(0.2, 0.45), prep=(0.5, 0.9), pause=(0.2, 0.8))
    air = offset > 0.01
    step = np.diff(times, prepend=times[0]).clip(0, 0.3)
    movement.poses[:, 0] += np.cumsum(air * step) * rng.uniform(1.5, 3.0)
    turn_chest(movement.poses, np.where(air, 0.3, 0.0))
    for side in (0, 1):
        angle = np.where(air, 1.6, -0.9 * np.clip(-offset / 0.2, 0, 1))
        wrist = np.stack([0.9 * np.sin(angle), -0.9 * np.cos(angle), 0 * angle + 0.15], -1)
        set_arm(movement.poses, side, wrist, np.array([-0.4, -0.6, 0.4]))
    return movement


def jumping_jack(rng: Rng, times: Array) -> Movement:
    """Spread and close legs and arms with each jump."""
    movement, _, _ = _repeated_jumps(rng, times, height=(0.06, 0.15), prep=(0.15, 0.3), pause=(0.0, 0.1))
    spread = 0.5 - 0.5 * np.cos(2 * np.pi * times * rng.uniform(0.7, 1.2) + rng.uniform(0, 6.28))
    for side, sign in ((0, -1.0), (1, 1.0)):
        angle = (0.15 + 2.6 * spread) * rng.uniform(0.85, 1.05)
        wrist = np.stack([0 * angle + 0.08, -0.95 * np.cos(angle), 0.95 * np.sin(angle)], -1)
        set_arm(movement.poses, side, wrist, np.array([-0.5, -0.5, 0.3]))
        movement.poses[:, ANKLES.start + 3 * side + 2] += sign * 0.3 * spread
    movement.tags[:, TAG_INDEX["jump"]] = 1.0
    return movement


def jump_down(rng: Rng, times: Array) -> Movement:
    """Jump from a box or step: stand above, leap, land in a deep bend, stand."""
    movement = stance(rng, times, rng.uniform(0.08, 0.18), 0.4)
    movement.action = "jump"
    height, hop = rng.uniform(0.3, 1.1), rng.uniform(0.02, 0.25)
    start = rng.uniform(times[0] - 0.3, max(times[0] + 0.2, times[-1] - 0.6))
    up, down = np.sqrt(2 * hop * 0.82 / 9.81), np.sqrt(2 * (hop + height) * 0.82 / 9.81)
    land = start + up + down
    x = np.clip(times - start, 0, up + down)
    fall = height + (9.81 / 0.82) * (up * x - 0.5 * x * x)
    prep = np.sin(np.pi * np.clip((times - start + 0.4) / 0.4, 0, 1)) * rng.uniform(0.05, 0.25)
    depth, recover = rng.uniform(0.2, 0.6), rng.uniform(0.5, 1.2)
    y = np.clip((times - land) / recover, 0, 1)
    bend = depth * np.sin(np.pi * y**0.6)
    movement.poses[:, 1] += fall - prep - bend
    movement.poses[:, 0] += np.clip(times - start, 0, up + down) * rng.uniform(0.5, 2.2)
    feet = np.zeros((len(times), 2, 3))
    feet[:, :, 0] = movement.poses[:, None, 0]
    feet[:, 0, 2], feet[:, 1, 2] = -0.13, 0.13
    feet[:, :, 1] = fall[:, None]
    air = ((times > start) & (times < land)).astype(float)
    feet[:, :, 1] += 0.15 * np.sin(np.pi * x / (up + down))[:, None]
    stand_on(movement.poses, feet)
    turn_chest(movement.poses, 1.3 * bend + 0.8 * prep)
    arms = rng.uniform(0.3, 1.6)
    for side in (0, 1):
        angle = arms * np.sin(np.pi * np.clip((times - start + 0.3) / (up + down + 0.5), 0, 1))
        wrist = np.stack([np.sin(angle) * 0.85 + 0.06, -np.cos(angle) * 0.92, 0.15 + 0.3 * angle], -1)
        set_arm(movement.poses, side, wrist, np.array([-0.6, -0.3, 0.5]))
    act = np.maximum(air, (prep > 0.03) | ((times >= land) & (times < land + 0.35)))
    movement.tags[:, TAG_INDEX["jump"]] = act
    movement.tags[:, TAG_INDEX["stand"]] = 1 - act
    movement.tags[:, TAG_INDEX["crouch"]] = (bend > 0.25) & (act < 0.5)
    return movement


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


def clip_jump(clip: MotionClip) -> Maker:
    def make(rng: Rng, times: Array) -> Movement:
        poses = clip.at(times * rng.uniform(0.75, 1.15) + rng.uniform(0, clip.duration))
        return Movement(poses, tags_of(len(times), "jump"), "jump")

    return make


STYLES: tuple[Style, ...] = (
    Style("jump", "vertical", vertical_jumps, 1.5, source="jumps"),
    Style("jump", "hopping", hopping, 0.5, source="jumps"),
    Style("jump", "down", jump_down, 1.0),
    Style("jump", "long", long_jumps, 0.8, source="jumps"),
    Style("jump", "jumping_jack", jumping_jack, 0.7, source="jumps"),
    Style("jump", "leaps", leaps, held_out=True),
)
CAPTURED: tuple[CapturedStyle, ...] = (CapturedStyle("jump", "jump", clip_jump, 1.0),)
