"""Scenes of one person over a few seconds: successive activities, gestures over them, and the true action."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.motion import POSITION, ROOT, Array, axis_rotation, blend, quaternion_multiply, rotate
from training.synthetic.motion.movement import (
    ACTION_INDEX,
    ACTIONS,
    TAG_INDEX,
    UNSURE,
    Movement,
    Prop,
    Rng,
    mirrored,
    smoothstep,
)
from training.synthetic.motion.procedural import choose_gesture

GESTURE_ACTIONS = ("wave", "clap", "punch")
"""Actions that are made by gestures over another activity, unless a style of their own is drawn."""

# Shares of the actions that sequences end with. Standing and walking are most of what cameras see, and the hardest pair
# to distinguish under joint noise: with fewer of them, one pedestrian in ten was classified as jumping or punching.
SHARES = {
    "stand": 0.17, "walk": 0.16, "run": 0.04, "jump": 0.036, "crouch": 0.04, "sit": 0.049, "lie": 0.031,
    "crawl": 0.027, "fall": 0.031, "sit_down": 0.031, "stand_up": 0.031, "wave": 0.036, "clap": 0.031, "punch": 0.031,
    "kick": 0.027, "throw": 0.027, "pick_up": 0.031, "carry": 0.027, "push_up": 0.022, "squat": 0.022,
    "cartwheel": 0.018, "dance": 0.027, "juggle": 0.018, "other": 0.037,
}  # fmt: skip

# Activities under a gesture: mostly standing, but people also wave while they walk or sit.
_UNDER = {
    "wave": (("stand", 0.62), ("sit", 0.16), ("walk", 0.14), ("crouch", 0.04), ("jump", 0.04)),
    "clap": (("stand", 0.70), ("sit", 0.22), ("walk", 0.08)),
    "punch": (("stand", 0.90), ("walk", 0.10)),
}
# Plausible activities before a change within the sequence.
_BEFORE = ("stand", "stand", "stand", "walk", "walk", "walk", "sit", "crouch", "run", "jump", "kick", "other", "carry")
# Activities near the ground, which cannot follow walking or running within a second.
_LOW = frozenset({"lie", "crawl", "push_up"})
_BEFORE_LOW = ("crouch", "crouch", "sit", "lie", "crawl", "stand")
# Events that happen once; the activity before must not cover them.
_EVENTS = frozenset({"fall", "sit_down", "stand_up", "throw", "pick_up"})


@dataclass(slots=True)
class Scene:
    """Limb poses [T, 39], tags [T, K], true action [T] (UNSURE at changes), whether something hides the legs.

    `faces_camera` asks for a view from the front, because hand movements mostly address another person. `sources` names
    the styles and gestures used, such as "walk/curves".
    """

    poses: Array
    tags: Array
    action: NDArray[np.int64]
    hide_legs: bool
    faces_camera: bool
    props: list[Prop] = field(default_factory=list[Prop])
    sources: list[str] = field(default_factory=list[str])


def draw_scene(
    rng: Rng,
    library: MotionLibrary,
    times: Array,
    *,
    held_out: bool,
    action: str | None = None,
    change_share: float = 0.45,
    latest_change: float = 0.85,
) -> Scene:
    """Draw a scene at `times` [T] seconds that ends with `action`, or with a random action.

    `held_out` uses the styles and gestures that training never uses. With probability `change_share` another activity
    comes before, at most until `latest_change` of the time.
    """
    goal = action or str(rng.choice(ACTIONS, p=np.array([SHARES[name] for name in ACTIONS])))
    overlaid = goal in GESTURE_ACTIONS and not (library.has(goal, held_out=held_out) and rng.random() < 0.3)
    base = _pick(rng, _UNDER[goal]) if overlaid else goal
    duration = times[-1] - times[0]
    sources: list[str] = []
    movement = _base(rng, library, times, base, held_out and goal == base, sources)
    labels = _labels(movement, times)
    if rng.random() < change_share and duration > 1.0:
        latest = times[0] + latest_change * duration
        if base in _EVENTS:  # The last event is shown from its beginning.
            latest = min(latest, _last_start(labels == ACTION_INDEX[base], times) - 1.2)
        change = rng.uniform(times[0] + 0.15 * duration, max(latest, times[0] + 0.16 * duration))
        if change <= latest:
            before = str(rng.choice(_BEFORE_LOW if base in _LOW else _BEFORE))
            movement, labels = _join(rng, library, times, movement, labels, before, change, sources)
    if overlaid:
        start = rng.uniform(times[0] - 1.5, max(times[0], times[-1] - 0.7))
        _add_gesture(rng, movement, labels, times, goal, start, np.inf, held_out, sources)
    elif base in ("stand", "walk", "sit", "crouch") and rng.random() < 0.45:
        start = rng.uniform(times[0] - 2.0, times[-1])
        end = start + rng.uniform(0.8, 6.0)
        other = None if rng.random() < 0.7 or goal == "crouch" else str(rng.choice(GESTURE_ACTIONS[:2]))
        _add_gesture(rng, movement, labels, times, other, start, end, held_out, sources)
    front = goal in GESTURE_ACTIONS or goal in ("juggle", "throw")
    return Scene(movement.poses, movement.tags, labels, movement.hide_legs, front, movement.props, sources)


def _last_start(on: NDArray[np.bool_], times: Array) -> float:
    """Return the beginning of the last unbroken run of `on` [T]; the first instant if there is none."""
    starts = np.flatnonzero(on & ~np.concatenate([[False], on[:-1]]))
    return float(times[starts[-1]] if len(starts) else times[0])


def _pick(rng: Rng, options: tuple[tuple[str, float], ...]) -> str:
    shares = np.array([share for _, share in options])
    return options[int(rng.choice(len(options), p=shares / shares.sum()))][0]


def _base(rng: Rng, library: MotionLibrary, times: Array, action: str, held_out: bool, sources: list[str]) -> Movement:
    style = library.choose(rng, action, held_out=held_out)
    sources.append(f"{style.action}/{style.name}")
    movement = style.make(rng, times)
    if rng.random() < 0.5:
        movement = mirrored(movement)
    return movement


def _labels(movement: Movement, times: Array) -> NDArray[np.int64]:
    """Return the action at each instant.

    Pauses of a second or more in an exercise (squats, jumps, kicks) are standing; shorter ones belong to the action.
    """
    if movement.labels is not None:
        return movement.labels.copy()
    labels = np.full(len(times), ACTION_INDEX[movement.action])
    if movement.action not in ("jump", "crouch", "kick", "squat", "other"):
        return labels
    still = movement.tags[:, TAG_INDEX["stand"]] > 0.5
    pause = 0.5 if movement.action in ("crouch", "other") else 1.0
    index = 0
    while index < len(times):
        if not still[index]:
            index += 1
            continue
        end = index
        while end + 1 < len(times) and still[end + 1]:
            end += 1
        at_edge = index == 0 or end == len(times) - 1
        if times[end] - times[index] > (0.3 if at_edge else pause):
            labels[index : end + 1] = ACTION_INDEX["stand"]
            # The first moments after the action still belong to its end.
            if index > 0:
                labels[index : end + 1][times[index : end + 1] < times[index] + 0.35] = UNSURE
        index = end + 1
    return labels


def _join(
    rng: Rng,
    library: MotionLibrary,
    times: Array,
    movement: Movement,
    labels: NDArray[np.int64],
    before: str,
    change: float,
    sources: list[str],
) -> tuple[Movement, NDArray[np.int64]]:
    first = _base(rng, library, times, before, False, sources)
    first_labels = _labels(first, times)
    length = rng.uniform(0.3, 0.9) * (1.6 if {before, movement.action} & {"sit", "crouch", "carry"} else 1.0)
    if (before in _LOW) != (movement.action in _LOW):
        length = rng.uniform(1.0, 2.0)
    weight = smoothstep(times, change, length)
    at = int(np.clip(np.searchsorted(times, change + length / 2), 0, len(times) - 1))
    _move_to(movement, at, first.poses[at])
    poses = blend(first.poses, movement.poses, weight)
    tags = first.tags + weight[:, None] * (movement.tags - first.tags)
    out = np.where(weight < 0.5, first_labels, labels)
    if before != movement.action:
        out = np.where((weight > 0.15) & (weight < 0.85), UNSURE, out)
    props = [replace(prop, shown=prop.shown * (1 - weight)) for prop in first.props]
    props += [replace(prop, shown=prop.shown * weight) for prop in movement.props]
    return Movement(poses, tags, movement.action, movement.hide_legs, props), out


def _move_to(movement: Movement, at: int, pose: Array) -> None:
    """Shift and turn a movement, in place, so that at index `at` its pelvis has the place and heading of `pose`."""

    def heading(quaternion: Array) -> float:
        forward = rotate(quaternion, np.array([1.0, 0.0, 0.0]))
        return float(np.arctan2(-forward[2], forward[0]))

    turn = axis_rotation(1, heading(pose[ROOT]) - heading(movement.poses[at, ROOT]))
    level = np.array([1.0, 0.0, 1.0])
    shifted = rotate(turn, movement.poses[:, POSITION] - movement.poses[at, POSITION] * level)
    movement.poses[:, POSITION] = shifted + pose[POSITION] * level
    movement.poses[:, ROOT] = quaternion_multiply(turn, movement.poses[:, ROOT])


def _add_gesture(
    rng: Rng,
    movement: Movement,
    labels: NDArray[np.int64],
    times: Array,
    action: str | None,
    start: float,
    end: float,
    held_out: bool,
    sources: list[str],
) -> None:
    gesture = choose_gesture(rng, action, held_out=held_out)
    sources.append(f"{gesture.action or 'gesture'}/{gesture.name}")
    rise, fall = rng.uniform(0.25, 0.7), rng.uniform(0.3, 0.8)
    weight = smoothstep(times, start, rise) * (1 - smoothstep(times, end, fall) if np.isfinite(end) else 1.0)
    flip = rng.random() < 0.5
    target = mirrored(movement) if flip else movement
    gesture.apply(rng, target, times, weight)
    if flip:
        back = mirrored(target)
        movement.poses[:], movement.tags[:], movement.props = back.poses, back.tags, back.props
    if gesture.action is None:
        return
    labels[weight > 0.85] = ACTION_INDEX[gesture.action]
    labels[(weight > 0.2) & (weight <= 0.85)] = UNSURE
