"""Part-level movements that can be added to any base activity: wave, clap, punch, raise, point, push, hold, near
misses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.synthetic.motion.motion import Array, axis_rotation, rotate
from training.synthetic.motion.movement import (
    ARM_POSITIONS,
    HAND_TAGS,
    TAG_INDEX,
    Movement,
    Prop,
    Rng,
    drift,
    let_go,
    place_arm,
    set_arm,
    smoothstep,
    turn_chest,
)

Overlay = Callable[[Rng, Movement, Array, Array], None]
"""(rng, movement, times [T], weight [T]): blends arms of the movement in place by weight and tags what the hands do."""


@dataclass(frozen=True, slots=True)
class Gesture:
    """A part-level movement. `action`: the person's action during it, or None to keep that of the base activity."""

    name: str
    action: str | None
    apply: Overlay
    share: float = 1.0
    held_out: bool = False
    source: str = ""
    """Gestures of one source share a construction, as in `movement.Style`; empty: the gesture is its own source."""


def _tag_hand(movement: Movement, name: str, side: int, weight: Array, on: Array | float = 1.0) -> None:
    """Tag that hand `side` does only `name`, by `weight`, in place. `on` [T]: when it does."""
    _free_hand(movement, side, weight)
    index = TAG_INDEX[f"{name}_{'lr'[side]}"]
    movement.tags[:, index] = np.maximum(movement.tags[:, index], weight * on)


def _free_hand(movement: Movement, side: int, weight: Array) -> None:
    """Remove the tags of hand `side`, by `weight`, and let go of what it holds, in place."""
    let_go(movement, side, weight)
    for index in HAND_TAGS:
        if index % 2 == side:
            movement.tags[:, index] *= 1 - weight


# ---- wave -----------------------------------------------------------------------------------------------------------
def _oscillation(rng: Rng, times: Array, rate: tuple[float, float]) -> Array:
    """Return a wave's oscillation [T] in [−1, 1], slightly irregular and with occasional short rests."""
    beat = rng.uniform(*rate)
    phase = 2 * np.pi * beat * times + 2 * np.pi * drift(rng, times, 0.12, 3.0, 0.8) + rng.uniform(0, 6.28)
    sharp = rng.uniform(0.0, 0.8)
    swing = np.sin(phase) * (1 - 0.25 * sharp) + 0.25 * sharp * np.sin(3 * phase)
    return swing * (1 - 0.35 * (drift(rng, times, 1.0, 4.0, 1.0) > 0.6))


def _forearm_wave(rng: Rng, movement: Movement, times: Array, weight: Array, side: int | None = None) -> None:
    """Wave with the forearm from side to side, the hand at shoulder height or above the head; the elbow is still."""
    side = int(rng.integers(2)) if side is None else side
    swing = rng.uniform(0.25, 0.75) * _oscillation(rng, times, (0.9, 3.0))
    lift = rng.uniform(-0.95, 0.5)  # the upper arm's elevation
    out = rng.uniform(0.25, 1.0)
    upper = 0.55 * np.array([np.cos(lift) * (1 - out) + 0.15, np.sin(lift), np.cos(lift) * out])
    tilt = rng.uniform(-0.2, 0.5) + swing
    forward = rng.uniform(-0.1, 0.6)
    fore = 0.45 * np.stack([np.cos(tilt) * np.sin(forward), np.cos(tilt) * np.cos(forward), np.sin(tilt)], -1)
    set_arm(movement.poses, side, upper + fore, np.array([0.2, -1.0, 0.8]), weight)
    _tag_hand(movement, "wave", side, weight)


def _whole_arm_wave(rng: Rng, movement: Movement, times: Array, weight: Array, side: int | None = None) -> None:
    """Wave with the stretched arm over the head, as to a person far away."""
    side = int(rng.integers(2)) if side is None else side
    middle, size = rng.uniform(0.1, 0.7), rng.uniform(0.25, 0.6)
    angle = middle + size * _oscillation(rng, times, (0.6, 1.9))
    forward = rng.uniform(0.0, 0.5)
    reach = rng.uniform(0.8, 0.97)
    wrist = reach * np.stack([0 * angle + np.sin(forward), np.cos(angle) * np.cos(forward), np.sin(angle)], -1)
    set_arm(movement.poses, side, wrist, np.array([0.0, 0.0, 1.0]), weight)
    _tag_hand(movement, "wave", side, weight)


def _both_arms_wave(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Wave with both arms, which cross and part above the head."""
    overlay = _whole_arm_wave if rng.random() < 0.7 else _forearm_wave
    state = rng.bit_generator.state
    overlay(rng, movement, times, weight, 0)
    if rng.random() < 0.7:  # in step, by the same draws for the other arm
        rng.bit_generator.state = state
    overlay(rng, movement, times, weight, 1)


def _greeting_wave(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Held out: a small wave from the wrist and forearm close to the shoulder, palm outwards."""
    side = int(rng.integers(2))
    swing = rng.uniform(0.10, 0.2) * _oscillation(rng, times, (1.2, 2.8))
    wrist = np.array([0.34, rng.uniform(-0.05, 0.35), 0.18]) + np.stack([0 * swing, -abs(swing) * 0.2, swing], -1)
    set_arm(movement.poses, side, wrist, np.array([-0.1, -1.0, 0.5]), weight)
    _tag_hand(movement, "wave", side, weight)


# ---- clap and its near misses ---------------------------------------------------------------------------------------
def _meeting_hands(
    rng: Rng, movement: Movement, times: Array, weight: Array, middle: Array, apart: Array, elbow: Array
) -> None:
    """Put both hands around `middle` [T, 3] or [3] in front of the body. `apart` [T]: half their distance in arm
    lengths."""
    shoulder = 0.35  # half the shoulders' distance in arm lengths
    for side in (0, 1):
        flip = 1.0 if side else -1.0
        wrist = np.broadcast_to(middle, (len(times), 3)).copy()
        wrist[:, 2] = wrist[:, 2] * flip - shoulder + apart
        set_arm(movement.poses, side, wrist, elbow, weight)


def _clap_at(height: tuple[float, float], forward: tuple[float, float], rate: tuple[float, float]) -> Overlay:
    def apply(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
        beat = rng.uniform(*rate)
        phase = 2 * np.pi * beat * times + drift(rng, times, 0.5) + rng.uniform(0, 6.28)
        size = min(rng.uniform(0.12, 0.5), 0.9 / beat)
        apart = 0.05 + size * (0.5 - 0.5 * np.cos(phase)) ** rng.uniform(0.7, 1.3)
        middle = np.array([rng.uniform(*forward), rng.uniform(*height), rng.normal(0, 0.05)])
        middle = middle + np.stack([drift(rng, times, 0.03) for _ in range(3)], -1)
        _meeting_hands(rng, movement, times, weight, middle, apart, np.array([-0.1, -1.0, 0.9]))
        for side in (0, 1):
            _tag_hand(movement, "applaud", side, weight)

    return apply


def _striking_palm(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Clap with one hand still, low or to a side, while the other strikes it from above or from the side."""
    still = int(rng.integers(2))
    out = 1.0 if still else -1.0
    palm = np.array([rng.uniform(0.35, 0.6), rng.uniform(-0.6, -0.1), out * rng.uniform(0.0, 0.2)])
    beat = rng.uniform(0.8, 3.5)
    phase = (beat * times + 0.1 * drift(rng, times, 1.0)) % 1.0
    away = np.sin(np.pi * phase) ** rng.uniform(0.6, 1.2) * min(rng.uniform(0.15, 0.45), 0.8 / beat)
    way = np.array([rng.uniform(-0.4, 0.2), rng.uniform(0.2, 1.0), -out * rng.uniform(0.3, 1.0)])
    striking = palm + np.array([0.0, 0.04, -out * 0.05]) + away[:, None] * way / float(np.linalg.norm(way))
    for side in (0, 1):
        flip = 1.0 if side else -1.0
        wrist = np.broadcast_to(palm if side == still else striking, (len(times), 3)) * np.array([1.0, 1.0, flip])
        wrist = wrist - np.array([0.0, 0.0, 0.35])
        set_arm(movement.poses, side, wrist, np.array([-0.3, -1.0, 0.7]), weight)
        _tag_hand(movement, "applaud", side, weight)


def _hinged_clap(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Held out: clap with the elbows still at the sides, the forearms swinging together like two doors."""
    beat = rng.uniform(1.0, 4.0)
    size = min(rng.uniform(0.3, 0.9), 2.2 / beat)
    open_by = size * abs(np.sin(np.pi * (beat * times + 0.1 * drift(rng, times, 1.0) + rng.random())))
    lift = rng.uniform(-0.3, 1.0)
    for side in (0, 1):
        upper = 0.55 * np.array([rng.uniform(0.1, 0.35), -0.9, 0.25])
        # When closed, the hands meet in the middle, 0.35 arm lengths inwards from the shoulder.
        inwards = np.arcsin(np.clip((0.32 + upper[2]) / (0.45 * np.cos(lift)), -0.95, 0.95)) - open_by
        fore = 0.45 * np.stack(
            [np.cos(lift) * np.cos(inwards), 0 * inwards + np.sin(lift), -np.cos(lift) * np.sin(inwards)], -1
        )
        set_arm(movement.poses, side, upper + fore, np.array([-0.6, -1.0, 0.6]), weight)
        _tag_hand(movement, "applaud", side, weight)


def _hands_together(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """A near miss of clapping: hands held together or around an object, still or rubbing a little."""
    middle = np.array([rng.uniform(0.25, 0.55), rng.uniform(-0.75, 0.1), rng.normal(0, 0.05)])
    middle = middle + np.stack([drift(rng, times, 0.03, 5.0, 0.6) for _ in range(3)], -1)
    apart = np.full_like(times, rng.uniform(0.03, 0.2))
    if rng.random() < 0.3:
        apart = apart + 0.02 * np.sin(2 * np.pi * times * rng.uniform(1, 4))
        middle = middle + 0.03 * np.sin(2 * np.pi * times * rng.uniform(1, 3))[:, None]
    _meeting_hands(rng, movement, times, weight, middle, apart, np.array([-0.1, -1.0, 0.9]))
    holds = rng.random() < 0.6
    for side in (0, 1):
        _tag_hand(movement, "hold", side, weight) if holds else _free_hand(movement, side, weight)
    if holds:
        thing = str(rng.choice(["cup", "cup", "phone", "ball", "bottle"]))
        movement.props += [Prop(thing, "right", np.array(weight))]


# ---- punch ----------------------------------------------------------------------------------------------------------
def _punches(kind: str, rate: tuple[float, float]) -> Overlay:
    def apply(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
        guarded = rng.random() < 0.75
        for side in (0, 1):
            place_arm(rng, movement, side, "guard" if guarded else "hang_loose", times, weight)
            _free_hand(movement, side, weight)
        side, at = int(rng.integers(2)), times[0] - rng.uniform(0, 0.6)
        alternate, single = rng.uniform(0.2, 1.0), rng.random() < 0.25
        height = rng.uniform(-0.25, 0.3)
        while at < times[-1]:
            out, back = rng.uniform(0.12, 0.25), rng.uniform(0.15, 0.35)
            act = smoothstep(times, at, out) - smoothstep(times, at + out + 0.04, back)
            load = np.sin(np.pi * np.clip((times - at + 0.15) / 0.15, 0, 1))
            if kind == "hook":
                turn = -1.3 + 2.2 * smoothstep(times, at, out)
                path = np.stack([0.6 * np.cos(turn), 0 * turn + height, -0.6 * np.sin(turn) * 0.7 - 0.1], -1)
                elbow = np.array([0.0, -0.3, 1.0])
            elif kind == "uppercut":
                rise = smoothstep(times, at, out)
                path = np.stack([0.35 + 0.3 * rise, -0.6 + 0.9 * rise, -0.1 - 0.1 * rise], -1)
                elbow = np.array([-0.3, -1.0, 0.4])
            else:
                path = np.broadcast_to(np.array([0.97, height, -0.15]), (len(times), 3))
                elbow = np.array([0.0, -1.0, 0.5])
            set_arm(movement.poses, side, path, elbow, weight * act)
            twist = (0.4 if side else -0.4) * rng.uniform(0.3, 1.0)
            turn_chest(movement.poses, 0.15 * act * weight, twist * act * weight - 0.3 * twist * load * weight)
            for which in (0, 1):
                index = TAG_INDEX["strike_l"] + which
                near = (times > at - 0.25) & (times < at + out + back + 0.25)
                movement.tags[:, index] = np.maximum(movement.tags[:, index], weight * near * (which == side))
            at += out + back + rng.uniform(*rate)
            if rng.random() < alternate and not single:
                side = 1 - side

    return apply


def _punches_by_angles(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Held out: the upper arm swings up while the elbow opens, low, straight or from above, as at a punchbag."""
    aim, rate = rng.uniform(-0.5, 0.5), rng.uniform(0.8, 2.2)
    both = rng.random() < 0.7
    phase = rate * times + rng.random() * 2
    for side in (0, 1):
        own = (phase + 0.5 * side) % 1.0 if both else phase % 1.0
        out = smoothstep(own, 0.1, 0.3) - smoothstep(own, 0.45, 0.4)
        if not both and side == 0:
            out = np.zeros_like(times)
        shoulder = -1.2 + (1.2 + aim) * out  # the upper arm over the horizontal
        elbow = 2.3 * (1 - out) + 0.1
        upper = 0.55 * np.stack([np.cos(shoulder), np.sin(shoulder), 0 * out + 0.1 * (1 - out)], -1)
        angle = shoulder + elbow
        fore = 0.45 * np.stack([np.cos(angle), np.sin(angle), 0 * out - 0.25], -1)
        set_arm(movement.poses, side, upper + fore, np.array([-0.2, -1.0, 0.4]), weight)
        turn_chest(movement.poses, 0.0, (0.5 if side else -0.5) * out * weight)
        _tag_hand(movement, "strike", side, weight, np.where(both, own < 0.9, out > 0))


# ---- movements that leave the action unchanged ----------------------------------------------------------------------
def _raise(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Hold up one or both arms: a near miss of waving."""
    for side in (0, 1) if rng.random() < 0.3 else (int(rng.integers(2)),):
        up = np.array([rng.uniform(0.0, 0.5), rng.uniform(0.2, 0.9), rng.uniform(-0.1, 0.5)])
        up = up * min(1.0, 0.95 / float(np.linalg.norm(up)))
        wobble = np.stack([drift(rng, times, 0.04) for _ in range(3)], -1)
        set_arm(movement.poses, side, up + wobble, np.array([0.0, -0.4, 1.0]), weight)
        _free_hand(movement, side, weight)


def _point(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Stretch out an arm to point at or reach for something, with occasional movement."""
    side = int(rng.integers(2))
    yaw = rng.uniform(-0.3, 1.4) + drift(rng, times, 0.2)
    pitch = rng.uniform(-0.5, 0.6) + drift(rng, times, 0.15)
    reach = rng.uniform(0.75, 0.97)
    wrist = reach * np.stack([np.cos(yaw) * np.cos(pitch), np.sin(pitch), np.sin(yaw) * np.cos(pitch)], -1)
    set_arm(movement.poses, side, wrist, np.array([0.0, -1.0, 0.5]), weight)
    _free_hand(movement, side, weight)


def _push(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Push something in front of the body with both arms: a trolley, a door, a pram."""
    height = rng.uniform(-0.55, 0.0)
    stroke = rng.uniform(0.6, 0.9) + rng.choice([0.0, 0.12]) * np.sin(2 * np.pi * times * rng.uniform(0.2, 0.7))
    for side in (0, 1):
        wrist = np.stack([stroke * np.sqrt(1 - height**2), 0 * stroke + height, 0 * stroke - 0.05], -1)
        set_arm(movement.poses, side, wrist, np.array([-0.2, -1.0, 0.5]), weight)
        _tag_hand(movement, "push", side, weight)
    turn_chest(movement.poses, rng.uniform(0.0, 0.4) * weight)


def _hold(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Hold a phone to the ear, something in front of the chest, or a bag's strap."""
    name = str(rng.choice(["phone_ear", "phone_ear", "carry_front", "strap", "phone_front"]))
    for side in (0, 1) if name == "carry_front" else (int(rng.integers(2)),):
        _free_hand(movement, side, weight)
        place_arm(rng, movement, side, name, times, weight)


def _touch_head(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Touch the head with small movements of a hand: scratch, arrange hair or glasses, drink."""
    side = int(rng.integers(2))
    centre = np.array([rng.uniform(0.1, 0.3), rng.uniform(0.2, 0.5), -rng.uniform(0.05, 0.3)])
    jitter = np.stack([drift(rng, times, 0.05, 1.5, 0.3) for _ in range(3)], -1)
    set_arm(movement.poses, side, centre + jitter, np.array([0.3, -0.6, 1.0]), weight)
    _free_hand(movement, side, weight)


def _shake_out(rng: Rng, movement: Movement, times: Array, weight: Array) -> None:
    """Swing or shake a low hand beside or in front of the body: it moves like a wave but hangs."""
    side = int(rng.integers(2))
    swing = rng.uniform(0.05, 0.25) * np.sin(2 * np.pi * times * rng.uniform(0.6, 2.5))
    direction = rotate(axis_rotation(1, rng.uniform(0, 3.1)), np.array([1.0, 0.0, 0.0]))
    wrist = np.array([0.2, -0.85, 0.15]) + swing[:, None] * direction
    set_arm(movement.poses, side, wrist, np.array(ARM_POSITIONS["hang"][1]), weight)
    _free_hand(movement, side, weight)


GESTURES: tuple[Gesture, ...] = (
    Gesture("forearm_wave", "wave", _forearm_wave, 2.5),
    Gesture("whole_arm_wave", "wave", _whole_arm_wave, 1.2),
    Gesture("both_arms_wave", "wave", _both_arms_wave, 1.0, source="whole_arm_wave"),
    Gesture("greeting_wave", "wave", _greeting_wave, held_out=True),
    Gesture("chest_clap", "clap", _clap_at((-0.45, 0.1), (0.3, 0.65), (0.9, 4.5)), 2.5, source="meeting hands"),
    Gesture("overhead_clap", "clap", _clap_at((0.55, 0.9), (0.0, 0.3), (0.6, 2.5)), 1.0, source="meeting hands"),
    Gesture("face_clap", "clap", _clap_at((0.1, 0.45), (0.3, 0.6), (1.0, 4.0)), 0.8, source="meeting hands"),
    Gesture("striking_palm", "clap", _striking_palm, 0.8),
    Gesture("hinged_clap", "clap", _hinged_clap, held_out=True),
    Gesture("jabs", "punch", _punches("jab", (0.05, 0.7)), 2.0, source="fist paths"),
    Gesture("hooks", "punch", _punches("hook", (0.1, 0.8)), 1.0, source="fist paths"),
    Gesture("uppercuts", "punch", _punches("uppercut", (0.1, 0.8)), 0.8, source="fist paths"),
    Gesture("punches_by_angles", "punch", _punches_by_angles, held_out=True),
    Gesture("hands_together", None, _hands_together, 1.6),
    Gesture("raise", None, _raise, 1.4),
    Gesture("point", None, _point, 1.2),
    Gesture("push", None, _push, 0.8),
    Gesture("hold", None, _hold, 1.2),
    Gesture("touch_head", None, _touch_head, 1.0),
    Gesture("shake_out", None, _shake_out, 0.7),
)


def choose_gesture(rng: Rng, action: str | None, *, held_out: bool) -> Gesture:
    """Draw a gesture for `action` by share; None: one that leaves the action unchanged."""
    some = [gesture for gesture in GESTURES if gesture.action == action and gesture.held_out == held_out]
    if not some:
        some = [gesture for gesture in GESTURES if gesture.action == action]
    shares = np.array([gesture.share for gesture in some])
    return some[int(rng.choice(len(some), p=shares / shares.sum()))]
