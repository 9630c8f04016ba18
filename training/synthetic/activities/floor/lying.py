"""Lying on the back, the side, the face or propped on the elbows: still, fidgeting or turning over.

Each style is a function (rng, times [T]) → `Movement`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synthetic.activities.mechanics.contact import (
    FLOOR,
    PRONE,
    SUPINE,
    keep_above_floor,
    pitched,
    put_hand,
    rest_on_floor,
    shoulder,
)
from training.synthetic.motion.motion import (
    ANKLES,
    KNEES,
    NECK,
    ROOT,
    Array,
    MotionClip,
    axis_rotation,
    quaternion_multiply,
)
from training.synthetic.motion.movement import (
    CapturedStyle,
    Maker,
    Movement,
    Rng,
    Style,
    drift,
    set_arm,
    smoothstep,
    steps,
    tags_of,
    turn_chest,
    turn_head,
)

# Wrist and elbow of a right arm of a person who lies on the back, as in `movement.ARM_POSITIONS`.
_ARMS_ON_BACK = {
    "sides": ((-0.12, -0.93, 0.26), (-0.2, 0.0, 1.0)),
    "belly": ((0.20, -0.66, -0.26), (-0.3, -0.2, 1.0)),
    "chest": ((0.26, -0.36, -0.34), (-0.1, -0.6, 1.0)),
    "behind_head": ((-0.08, 0.36, -0.16), (-0.1, 0.3, 1.0)),
    "overhead": ((-0.12, 0.86, 0.36), (-0.1, 0.0, 1.0)),
    "spread": ((-0.16, -0.15, 0.92), (-0.2, -0.8, 0.0)),
    "face": ((0.22, 0.26, -0.22), (0.3, -0.2, 1.0)),
}


def set_leg(poses: Array, side: int, ankle: Array, knee: Array | tuple[float, float, float]) -> None:
    """Put an ankle and the knee's direction ([3] or [T, 3], as for the right leg, in the pelvis's frame), in place."""
    flip = np.array([1.0, 1.0, 1.0 if side else -1.0])
    poses[:, ANKLES.start + 3 * side : ANKLES.start + 3 * side + 3] = np.asarray(ankle) * flip
    poses[:, KNEES.start + 3 * side : KNEES.start + 3 * side + 3] = np.asarray(knee) * flip


def fidget(rng: Rng, times: Array, size: float) -> Array:
    """Return a small movement of a limb's end [T, 3]."""
    return np.stack([drift(rng, times, size, 5.0, 1.0) for _ in range(3)], -1)


def _lying(poses: Array) -> Movement:
    rest_on_floor(poses)
    return Movement(poses, tags_of(len(poses), "lie"), "lie")


def on_the_back(rng: Rng, times: Array) -> Movement:
    poses = pitched(times, 0.05, SUPINE + rng.normal(0, 0.04), rng.uniform(0.0, 0.12))
    restless = rng.choice([0.01, 0.04])
    turn_head(poses, rng.uniform(0.0, 0.5), steps(rng, times, 0.9, (1.0, 6.0), (0.4, 0.9)))
    names = list(_ARMS_ON_BACK)
    name = names[rng.integers(len(names))]
    for side in (0, 1):
        own = names[rng.integers(len(names))] if rng.random() < 0.4 else name
        wrist, elbow = _ARMS_ON_BACK[own]
        set_arm(poses, side, np.array(wrist) + fidget(rng, times, restless), np.array(elbow))
        if rng.random() < 0.25:  # moves the arm elsewhere
            wrist, elbow = _ARMS_ON_BACK[names[rng.integers(len(names))]]
            set_arm(
                poses,
                side,
                np.array(wrist),
                np.array(elbow),
                smoothstep(times, rng.uniform(times[0], times[-1] + 0.1), 0.9),
            )
    drawn_up = rng.uniform(0.45, 0.75)
    for side in (0, 1):
        if rng.random() < 0.35:
            set_leg(
                poses,
                side,
                np.array([-0.06, -drawn_up, rng.uniform(0.08, 0.2)]) + fidget(rng, times, restless),
                (1.0, 0.2, 0.1),
            )
        else:
            out = rng.uniform(0.02, 0.3)
            set_leg(poses, side, np.array([-0.05, -0.97, out]) + fidget(rng, times, restless), (1.0, 0.0, 0.3))
    return _lying(poses)


def face_down(rng: Rng, times: Array) -> Movement:
    poses = pitched(times, 0.05, PRONE + rng.normal(0, 0.03))
    turn_head(poses, rng.uniform(-0.3, 0.1), rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 1.3) + drift(rng, times, 0.06))
    restless = rng.choice([0.01, 0.03])
    kind = rng.choice(["sides", "folded", "ahead", "mixed"])
    ways = {
        "sides": ((0.10, -0.93, 0.26), (0.0, 0.0, 1.0)),
        "folded": ((0.16, 0.34, -0.12), (0.1, 0.2, 1.0)),
        "ahead": ((0.10, 0.88, 0.22), (0.1, 0.0, 1.0)),
    }
    for side in (0, 1):
        wrist, elbow = ways[str(rng.choice(list(ways)) if kind == "mixed" else kind)]
        set_arm(poses, side, np.array(wrist) + fidget(rng, times, restless), np.array(elbow))
        if rng.random() < 0.2:  # one knee drawn up sideways
            set_leg(poses, side, np.array([0.05, -0.62, 0.32]), (0.1, 0.3, 1.0))
        elif rng.random() < 0.12:  # a shin in the air
            set_leg(poses, side, np.array([-0.44, -0.56, 0.08]) + fidget(rng, times, 0.08), (1.0, -0.2, 0.1))
        else:
            set_leg(
                poses,
                side,
                np.array([0.03, -0.97, rng.uniform(0.0, 0.2)]) + fidget(rng, times, restless),
                (1.0, 0.0, 0.4),
            )
    return _lying(poses)


def on_the_side(rng: Rng, times: Array) -> Movement:
    """Lie with the knees partly drawn up and the lower arm under the head or ahead; some turn over from the back."""
    roll = np.full_like(times, rng.uniform(1.2, 1.85)) + drift(rng, times, 0.05)
    if rng.random() < 0.25:
        roll = roll * smoothstep(times, rng.uniform(times[0] - 0.5, times[-1]), rng.uniform(0.8, 1.6))
    poses = pitched(times, 0.1, SUPINE)
    poses[:, ROOT] = quaternion_multiply(poses[:, ROOT], axis_rotation(1, -roll))  # onto the right side
    turn_chest(poses, rng.uniform(0.0, 0.35), rng.normal(0, 0.12))
    poses[:, NECK] = quaternion_multiply(axis_rotation(0, np.full_like(times, -rng.uniform(0.0, 0.3))), poses[:, NECK])
    curl, restless = rng.uniform(0.0, 1.0), rng.choice([0.01, 0.03])
    for side in (0, 1):
        ahead = (0.1 + 0.45 * curl) * rng.uniform(0.8, 1.2)
        ankle = np.array([ahead * 0.6, -0.95 + 0.5 * curl, 0.02]) + fidget(rng, times, restless)
        set_leg(poses, side, ankle, (1.0, 0.3 * curl, 0.0))
    lower = (0.1, 0.42, -0.3) if rng.random() < 0.5 else (0.6, 0.0, -0.4)
    set_arm(poses, 1, np.array(lower) + fidget(rng, times, restless), np.array([1.0, 0.2, -0.6]))
    upper = [(0.1, -0.85, -0.1), (0.55, -0.35, -0.35), (0.3, 0.1, -0.4)][int(rng.integers(3))]
    set_arm(poses, 0, np.array(upper) + fidget(rng, times, restless), np.array([0.2, -0.6, 0.6]))
    return _lying(poses)


def propped(rng: Rng, times: Array) -> Movement:
    """Read or look around, propped on both elbows, face down or leaning back. Held out."""
    back = rng.random() < 0.4
    rise = rng.uniform(0.5, 0.8) + drift(rng, times, 0.04)
    poses = pitched(times, 0.05, SUPINE if back else PRONE, rise if back else -rise)
    turn_head(poses, 0.2 if back else -0.3, steps(rng, times, 0.6, (0.8, 4.0), (0.3, 0.7)))
    for side in (0, 1):
        if back:
            set_leg(poses, side, np.array([-0.05, -rng.uniform(0.6, 0.97), rng.uniform(0.03, 0.16)]), (1.0, 0.2, 0.1))
        elif rng.random() < 0.4:
            set_leg(poses, side, np.array([-0.44, -0.56, 0.05]) + fidget(rng, times, 0.08), (1.0, -0.2, 0.1))
        else:
            set_leg(poses, side, np.array([0.02, -0.97, rng.uniform(0.0, 0.2)]), (1.0, 0.0, 0.3))
    rest_on_floor(poses)
    for side in (0, 1):
        hand = shoulder(poses, side)
        hand[:, 1] = FLOOR + 0.06
        hand[:, 0] += 0.3 + rng.normal(0, 0.04)
        hand[:, 2] += (0.05 if side else -0.05) - rng.uniform(0.0, 0.2) * (1 if side else -1)
        put_hand(poses, side, hand + fidget(rng, times, 0.01), (-1.0, -1.0, 0.3))
    keep_above_floor(poses)
    return Movement(poses, tags_of(len(times), "lie"), "lie")


def lie_as_captured(at: float) -> Callable[[MotionClip], Maker]:
    """Lie as in a capture of a person about to get up, `at` seconds into it, moving a little."""

    def of(clip: MotionClip) -> Maker:
        def make(rng: Rng, times: Array) -> Movement:
            poses = clip.at(at + 0.1 * np.sin(2 * np.pi * times / rng.uniform(2.0, 6.0) + rng.uniform(0, 6.28)))
            turn_head(poses, 0.0, steps(rng, times, 0.5, (1.0, 5.0), (0.4, 0.9)))
            return _lying(poses)

        return make

    return of


STYLES: tuple[Style, ...] = (
    Style("lie", "back", on_the_back, 2.0),
    Style("lie", "face_down", face_down, 1.0),
    Style("lie", "side", on_the_side, 1.5),
    Style("lie", "propped", propped, held_out=True),
)
CAPTURED: tuple[CapturedStyle, ...] = (
    CapturedStyle("lie", "getup_faceup", lie_as_captured(0.12), 0.4),
    CapturedStyle("lie", "getup_facedown", lie_as_captured(0.4), 0.4),
)
