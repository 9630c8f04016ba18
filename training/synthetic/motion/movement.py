"""The building blocks of movements: smooth random curves, arm positions, ground contact, tags.

Movements are functions of time, sampled at a sequence's instants [T], whatever its frame rate and gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.motion import (
    ANKLES,
    CHEST,
    ELBOWS,
    KNEES,
    NECK,
    POSITION,
    ROOT,
    WIDTH,
    WRISTS,
    MotionClip,
    axis_rotation,
    conjugate,
    mirror,
    quaternion_multiply,
    rotate,
)

Array = NDArray[np.float64]
Rng = np.random.Generator

ACTIONS = (
    "stand", "walk", "run", "jump", "crouch", "sit", "lie", "crawl", "fall", "sit_down", "stand_up", "wave", "clap",
    "punch", "kick", "throw", "pick_up", "carry", "push_up", "squat", "cartwheel", "dance", "juggle", "other",
)  # fmt: skip
ACTION_INDEX = {name: index for index, name in enumerate(ACTIONS)}
UNSURE = -1
"""The action index during the transition between two actions, which has no target."""

# What the generator knows but the joints alone do not show. Pairs are left, right.
TAGS = (
    "swing_l", "swing_r", "wave_l", "wave_r", "applaud_l", "applaud_r", "strike_l", "strike_r", "hold_l", "hold_r",
    "push_l", "push_r", "throw_l", "throw_r", "grab_l", "grab_r", "carry_l", "carry_r", "kick_l", "kick_r", "jump",
    "step", "sit", "crouch", "stand", "lie", "tiptoe",
)  # fmt: skip
TAG_INDEX = {name: index for index, name in enumerate(TAGS)}
HAND_TAGS = [index for name, index in TAG_INDEX.items() if name[-2:] in ("_l", "_r") and not name.startswith("kick")]
_SIDES = ("_l", "_r")

Held = Literal["left", "right", "both", "free"]
_OTHER_SIDE: dict[Held, Held] = {"left": "right", "right": "left", "both": "both", "free": "free"}


@dataclass(slots=True)
class Prop:
    """An object that a person uses. `name` as in `training.synthetic.rendering.objects`, which makes it.

    It is held in the left hand, the right hand or both, or is free; it exists while `shown` [T] > 0.5. A free object is
    at `path` [T, 3]: from the middle between the shoulders, in the chest's frame and in arm lengths, like wrists. Props
    with the same name and `thing` look alike: an object that is first held and then free, or the balls of a juggler.
    """

    name: str
    held: Held
    shown: Array
    path: Array | None = None
    thing: int | None = None


@dataclass(slots=True)
class Movement:
    """A person's movement at T instants: limb poses [T, 39], tags [T, len(TAGS)] in [0, 1], the action's name.

    `hide_legs`: an object (a table, a counter) hides the legs throughout. `labels` int64 [T]: the action at every
    instant, `UNSURE` where there is none, for a movement with several actions (such as falling, then lying).
    """

    poses: Array
    tags: Array
    action: str
    hide_legs: bool = False
    props: list[Prop] = field(default_factory=list[Prop])
    labels: NDArray[np.int64] | None = None


Maker = Callable[[Rng, Array], Movement]


@dataclass(frozen=True, slots=True)
class Style:
    """One way of doing an action. Held-out styles are never used in training.

    Styles of the same `source` share a construction: the same capture, or the same procedure with other numbers. Empty:
    the style is its own source.
    """

    action: str
    name: str
    make: Maker
    share: float = 1.0
    held_out: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class CapturedStyle:
    """A style made from the motion-capture clip named `clip`; each clip is its own source."""

    action: str
    clip: str
    make: Callable[[MotionClip], Maker]
    share: float = 1.0
    held_out: bool = False

    def of(self, clip: MotionClip) -> Style:
        return Style(self.action, f"captured_{self.clip}", self.make(clip), self.share, self.held_out)


def tags_of(count: int, *names: str) -> Array:
    """Return tags [count, len(TAGS)] with `names` set throughout; a pair's stem sets both sides."""
    out = np.zeros((count, len(TAGS)))
    for name in names:
        for full in (name,) if name in TAG_INDEX else (name + "_l", name + "_r"):
            out[:, TAG_INDEX[full]] = 1.0
    return out


def mirrored(movement: Movement) -> Movement:
    """Return a movement with left and right exchanged, including its tags and objects."""
    tags = movement.tags.copy()
    for name, index in TAG_INDEX.items():
        if name.endswith("_l"):
            tags[:, [index, index + 1]] = movement.tags[:, [index + 1, index]]
    props = [_mirrored_prop(prop) for prop in movement.props]
    return Movement(mirror(movement.poses), tags, movement.action, movement.hide_legs, props, movement.labels)


def _mirrored_prop(prop: Prop) -> Prop:
    held = _OTHER_SIDE[prop.held]
    path = None if prop.path is None else prop.path * np.array([1.0, 1.0, -1.0])
    return Prop(prop.name, held, prop.shown, path, prop.thing)


def smoothstep(times: Array, start: float, duration: float) -> Array:
    """Return 0 before `start`, 1 after `start + duration`, smooth between."""
    x = np.clip((times - start) / max(duration, 1e-6), 0.0, 1.0)
    return x * x * (3 - 2 * x)


def drift(rng: Rng, times: Array, amplitude: float, slowest: float = 6.0, fastest: float = 1.5) -> Array:
    """Return a smooth random curve [T] of about `amplitude`, with periods between `fastest` and `slowest` seconds."""
    periods = np.exp(rng.uniform(np.log(fastest), np.log(slowest), 3))
    phases = rng.uniform(0, 2 * np.pi, 3)
    weights = rng.dirichlet(np.ones(3)) * amplitude * 1.6
    return (weights[:, None] * np.sin(2 * np.pi * times / periods[:, None] + phases[:, None])).sum(0)


def steps(rng: Rng, times: Array, spread: float, hold: tuple[float, float], move: tuple[float, float]) -> Array:
    """Return a curve [T] that rests at random values within ±spread and moves between them in `move` seconds."""
    value = rng.uniform(-spread, spread)
    out = np.full_like(times, value)
    at = times[0] + rng.uniform(0, hold[1])
    while at < times[-1]:
        target = rng.uniform(-spread, spread)
        duration = rng.uniform(*move)
        out += (target - value) * smoothstep(times, at, duration)
        value, at = target, at + duration + rng.uniform(*hold)
    return out


def upright(times: Array) -> Array:
    """Return limb poses [T, 39] of a person standing straight at the origin, arms hanging."""
    out = np.zeros((len(times), WIDTH))
    out[:, 1] = 0.99
    for part in (ROOT, CHEST, NECK):
        out[:, part.start] = 1.0
    out[:, ANKLES] = (0.0, -0.99, -0.02, 0.0, -0.99, 0.02)
    out[:, KNEES] = (1.0, 0.0, -0.15, 1.0, 0.0, 0.15)
    out[:, WRISTS] = (0.06, -0.97, -0.12, 0.06, -0.97, 0.12)
    out[:, ELBOWS] = (-1.0, 0.0, -0.3, -1.0, 0.0, 0.3)
    return out


def stand_on(poses: Array, feet: Array) -> None:
    """Put the ankles of limb poses [T, 39] at `feet` [T, 2, 3] in the world, in leg lengths, in place."""
    root = poses[:, ROOT]
    for side, sign in ((0, -1.0), (1, 1.0)):
        hip = poses[:, POSITION] + rotate(root, np.array([0.0, 0.0, sign * 0.125]))
        columns = slice(ANKLES.start + 3 * side, ANKLES.start + 3 * side + 3)
        poses[:, columns] = rotate(conjugate(root), feet[:, side] - hip)


def turn_chest(poses: Array, pitch: Array | float, yaw: Array | float = 0.0, roll: Array | float = 0.0) -> None:
    """Turn the chest against the pelvis (radians; pitch forwards, yaw to the left, roll to the right), in place."""
    turn = quaternion_multiply(
        axis_rotation(1, yaw), quaternion_multiply(axis_rotation(2, -np.asarray(pitch)), axis_rotation(0, roll))
    )
    poses[:, CHEST] = quaternion_multiply(np.broadcast_to(turn, poses[:, CHEST].shape), poses[:, CHEST])


def turn_head(poses: Array, pitch: Array | float, yaw: Array | float) -> None:
    """Turn the head against the chest (radians; pitch downwards, yaw to the left), in place."""
    turn = quaternion_multiply(axis_rotation(1, yaw), axis_rotation(2, -np.asarray(pitch)))
    poses[:, NECK] = quaternion_multiply(np.broadcast_to(turn, poses[:, NECK].shape), poses[:, NECK])


def set_arm(poses: Array, side: int, wrist: Array, elbow: Array, weight: Array | float = 1.0) -> None:
    """Blend one arm of limb poses [T, 39] towards `wrist`, `elbow` ([3] or [T, 3], as for the right arm), in place."""
    flip = np.array([1.0, 1.0, 1.0 if side else -1.0])
    weight = np.broadcast_to(weight, (len(poses),))[:, None]
    for part, value in ((WRISTS, wrist), (ELBOWS, elbow)):
        columns = slice(part.start + 3 * side, part.start + 3 * side + 3)
        poses[:, columns] += weight * (np.asarray(value) * flip - poses[:, columns])


# Where the right wrist is (x forward, y up, z right, in arm lengths from the shoulder) and where the elbow points.
ARM_POSITIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "hang": ((0.06, -0.97, 0.12), (-1.0, 0.0, 0.3)),
    "hang_loose": ((0.18, -0.90, 0.16), (-1.0, 0.0, 0.5)),
    "pocket": ((0.08, -0.80, 0.06), (-0.7, 0.0, 0.8)),
    "hip": ((0.05, -0.62, 0.02), (-0.3, 0.0, 1.0)),
    "folded": ((0.36, -0.32, -0.36), (0.2, -1.0, 0.6)),
    "behind": ((-0.22, -0.72, -0.26), (-0.6, 0.0, 0.8)),
    "clasped": ((0.28, -0.74, -0.28), (-0.6, 0.0, 0.9)),
    "praying": ((0.36, -0.24, -0.33), (0.0, -1.0, 0.7)),
    "phone_ear": ((0.14, 0.24, 0.06), (0.5, -0.8, 0.5)),
    "phone_front": ((0.44, -0.34, -0.18), (-0.2, -1.0, 0.5)),
    "carry_front": ((0.48, -0.46, -0.12), (-0.4, -0.9, 0.4)),
    "carry_side": ((0.02, -0.99, 0.10), (-1.0, 0.0, 0.2)),
    "strap": ((0.22, -0.16, -0.05), (0.1, -1.0, 0.5)),
    "chin": ((0.26, 0.10, -0.24), (0.3, -1.0, 0.4)),
    "guard": ((0.36, 0.02, -0.18), (0.0, -1.0, 0.4)),
    "run": ((0.30, -0.45, 0.0), (-0.8, -0.6, 0.3)),
    "head": ((0.02, 0.42, -0.05), (0.2, 0.1, 1.0)),
    "up": ((0.10, 0.95, 0.10), (0.1, 0.0, 1.0)),
    "side": ((0.05, 0.0, 0.97), (-0.6, -0.6, 0.0)),
    "front": ((0.95, 0.0, 0.05), (0.0, -1.0, 0.4)),
    "lap": ((0.46, -0.60, -0.02), (-0.6, -0.2, 0.7)),
    "table": ((0.56, -0.34, -0.10), (-0.2, -0.8, 0.6)),
    "floor": ((-0.35, -0.85, 0.25), (-0.8, 0.0, 0.6)),
}
# Objects held in that position; one of them is drawn.
HOLDING: dict[str, tuple[str, ...]] = {
    "phone_ear": ("phone",),
    "phone_front": ("phone", "phone", "phone", "cup"),
    "carry_front": ("cup", "bottle"),
    "carry_side": ("bag", "bag", "bottle", "stick"),
    "strap": ("backpack",),
}
_WORN = "backpack"
"""This object stays on when the hand lets go of its strap."""


def let_go(movement: Movement, side: int, weight: Array | float) -> None:
    """Let one hand hold nothing, by `weight` [T], in place; worn objects stay."""
    movement.tags[:, TAG_INDEX["hold" + _SIDES[side]]] *= 1 - weight
    for prop in movement.props:
        if prop.held in (("left", "right")[side], "both") and prop.name != _WORN:
            prop.shown = prop.shown * (1 - weight)


def place_arm(rng: Rng, movement: Movement, side: int, name: str, times: Array, weight: Array | float = 1.0) -> None:
    """Put one arm into a named position with random variation and fidgeting, and tag what it holds, in place."""
    wrist, elbow = (np.array(value) for value in ARM_POSITIONS[name])
    wrist = wrist + rng.normal(0, 0.05, 3)
    fidget = np.stack([drift(rng, times, 0.025, 4.0, 0.8) for _ in range(3)], -1)
    set_arm(movement.poses, side, wrist + fidget, elbow + rng.normal(0, 0.15, 3), weight)
    on = np.broadcast_to(weight, (len(times),))
    movement.tags[:, TAG_INDEX["swing" + _SIDES[side]]] *= 1 - on
    let_go(movement, side, on)
    if name in HOLDING:
        thing = HOLDING[name][int(rng.integers(len(HOLDING[name])))]
        worn = [prop for prop in movement.props if prop.name == thing == _WORN]
        if worn:
            worn[0].shown = np.maximum(worn[0].shown, on)
        else:
            movement.props.append(Prop(thing, "right" if side else "left", on.copy()))
        index = TAG_INDEX["hold" + _SIDES[side]]
        movement.tags[:, index] = np.maximum(movement.tags[:, index], on)


def arms_at_rest(rng: Rng, movement: Movement, times: Array, *, sitting: bool = False) -> None:
    """Draw what both arms do at rest: hang, in pockets, folded, holding a phone or a bag, talking …, in place."""
    both = ["folded", "behind", "clasped", "carry_front", "phone_front", "hip", "pocket", "hang", "praying"]
    each = ["hang", "hang", "hang_loose", "hang_loose", "pocket", "hip", "phone_ear", "carry_side", "strap", "chin"]
    if sitting:
        both = ["lap", "table", "folded", "clasped", "phone_front", "floor", "lap"]
        each = ["lap", "table", "hang_loose", "chin", "phone_ear", "phone_front", "lap"]
    if rng.random() < 0.4:
        names = [both[rng.integers(len(both))]] * 2
    else:
        names = [each[rng.integers(len(each))] for _ in range(2)]
    for side in (0, 1):
        place_arm(rng, movement, side, names[side], times)
    if rng.random() < 0.3:  # change position once
        at, side = rng.uniform(times[0], times[-1] + 1e-3), int(rng.integers(2))
        weight = smoothstep(times, at, rng.uniform(0.4, 1.2))
        place_arm(rng, movement, side, each[rng.integers(len(each))], times, weight)
    if rng.random() < 0.25:
        talk(rng, movement, times)


def talk(rng: Rng, movement: Movement, times: Array) -> None:
    """Move one or both hands in front of the body, as people do when they talk, in place."""
    sides = [0, 1] if rng.random() < 0.5 else [int(rng.integers(2))]
    size = rng.uniform(0.04, 0.24)
    for side in sides:
        centre = np.array([0.36, -0.42, -0.02]) + rng.normal(0, 0.08, 3)
        path = centre + np.stack([drift(rng, times, size, 2.5, 0.4) for _ in range(3)], -1)
        start = rng.uniform(times[0] - 2, times[-1])
        weight = smoothstep(times, start, 0.5) * (1 - smoothstep(times, start + rng.uniform(1.5, 8), 0.6))
        set_arm(movement.poses, side, path, np.array([-0.4, -1.0, 0.5]), weight)
        movement.tags[:, TAG_INDEX["swing" + _SIDES[side]]] *= 1 - weight
        let_go(movement, side, weight)


def busy_hands(rng: Rng, movement: Movement, times: Array) -> None:
    """Change the arms' position repeatedly and quickly: take out a phone, hold it to the ear, reach into a pocket,
    touch the face, in place.

    None of it is a punch, a wave or a clap, although single moments may look like one.
    """
    names = ["hang", "hang_loose", "pocket", "hip", "phone_ear", "phone_front", "strap", "chin", "carry_front", "table"]
    names += ["clasped", "folded", "front", "head", "guard"]
    for side in (0, 1) if rng.random() < 0.6 else (int(rng.integers(2)),):
        at = times[0] - rng.uniform(0.0, 1.5)
        while at < times[-1]:
            weight = smoothstep(times, at, rng.uniform(0.2, 0.8))
            place_arm(rng, movement, side, names[rng.integers(len(names))], times, weight)
            at += rng.uniform(0.6, 4.0)


def look_around(rng: Rng, poses: Array, times: Array) -> None:
    """Turn the head now and then; some people look down at a phone or the ground, in place."""
    yaw = steps(rng, times, rng.choice([0.15, 0.5, 1.1]), (0.6, 4.0), (0.25, 0.7))
    pitch = rng.choice([0.0, 0.1, 0.6], p=[0.5, 0.25, 0.25]) + steps(rng, times, 0.15, (1.0, 4.0), (0.3, 0.8))
    turn_head(poses, pitch, yaw)
