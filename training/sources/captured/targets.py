"""Which limbs strike, throw, kick, carry or grab, and when people are in the air: what captured joints show.

A label such as `punch` does not tell the arm. An arm is known to strike if it clearly moves more than the other one, or
shoots out; the other arm stays unknown, because a small blow looks like a moving guard. Limbs are measured relative to
the body and in statures. Steps with longer gaps than `LONGEST_GAP_S` show no stroke, so that it stays unknown.

In MSR-Action3D at ten steps a second, whose one-armed actions use the right arm, known arms are right in 98 % of the
steps of forward punches and in all of throws; known legs are right in all but one of 332 steps of kicks. Of all steps,
40, 60 and 44 % stay unknown. Side boxing also uses the left arm, so that it is no check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.synthetic.motion.movement import ACTION_INDEX, ACTIONS, TAG_INDEX, TAGS, UNSURE
from training.synthetic.motion.pace import without_doubtful_actions
from training.synthetic.sequences.labels import known_part_states, relevance

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

STROKE_S, LONGEST_GAP_S = 0.4, 0.3
"""A stroke is the distance that a limb's end covers between two steps, which are at most the first time apart, without
a gap longer than the second. Two gaps of cameras with 5 frames per second are a stroke."""
BEFORE_S, AFTER_S = 0.3, 0.15
"""A limb is known to strike or kick from this long before a stroke's end until this long after."""
TOLERANCE_S = 1e-3
LEAST_STROKE = 0.2
"""Least stroke in statures. In MSR-Action3D, whose one-armed actions use the right arm, the right arm's longest stroke
in 0.3 s is 0.31 or more in 95 % of the punches, and 0.33 in 95 % of the throws."""
CLEARLY = 1.8
"""A limb moves clearly more than the other one if its stroke is this many times as long."""
THRUST, FAR = 0.35, 0.8
"""An arm shoots out if the wrist's distance from the shoulder grows by the first share of the arm's length in one
stroke, to the second or more."""
RAISED_DEG = 30.0
"""Least angle between an arm that does something and the trunk's downward direction."""
WIND_UP_S, FOLLOW_S = 0.6, 0.3
"""Time of a throw before and after the end of its longest stroke, which is about the release."""
TOGETHER = 0.35
"""Distance in statures between two hands at one object, at most."""
ALIKE = 1.3
"""Two hands throw together if neither stroke is this many times as long as the other."""
LIFTED = 0.05
"""Least height of a kicking ankle above the other one, in statures."""
OFF_FLOOR, FLIGHT_S = 0.06, 0.5
"""Both ankles rise by this, in statures, in a jump, and are down within this time before and after."""
BENT_DEG, AHEAD = 130.0, 0.06
"""Largest angle at the elbows of arms that carry in front, and least mean distance of their wrists ahead of the
shoulders, in statures."""
LOWER, GRAB_S = 0.06, 0.3
"""A hand that grabs is lower than the other one by the first, in statures, at two steps at least that are within the
second of each other: trackers lose the hands of people who bend for single steps."""

_SHOULDERS, _ELBOWS, _WRISTS = slice(5, 7), slice(7, 9), slice(9, 11)
_HIPS, _KNEES, _ANKLES = slice(11, 13), slice(13, 15), slice(15, 17)


@dataclass(frozen=True, slots=True, eq=False)
class _Motion:
    """Steps of R people: `points` [R, T, 17, 3] in statures, `known` bool [R, T, 17], `facing` [R, T, 3], `times`
    [R, T] seconds, and `during` bool [R, T]: steps of the action that is looked at."""

    points: Array
    known: Flags
    facing: Array
    times: Array
    during: Flags


def set_limb_tags(
    on: Flags,
    known: Flags,
    action: NDArray[np.int64],
    points: Array,
    facing: Array,
    missing: Flags,
    times: Array,
    stature: Array,
) -> None:
    """Set tags that are on, and that this is known, bool [N, T, K], in place, where the joints show it.

    `action` int64 [N, T] indexes `training.synthetic.motion.movement.ACTIONS`, −1 unknown. `points` [N, T, 17, 3] and
    `stature` [N] are metres, `times` [N, T] seconds, `facing` [N, T, 3] the chest's forward direction. `missing` bool
    [N, T, 17]: the place in `points` is not known. No tag is set to be off.
    """
    for name, (tags, shown) in _SHOWN.items():
        during = action == ACTION_INDEX[name]
        rows = np.flatnonzero(during.any(1))
        if not len(rows):
            continue
        motion = _Motion(
            points=points[rows] / stature[rows, None, None, None],
            known=~missing[rows],
            facing=facing[rows],
            times=times[rows],
            during=during[rows],
        )
        for tag, does in zip(tags, np.moveaxis(shown(motion), -1, 0), strict=True):
            on[rows, :, TAG_INDEX[tag]] |= does
            known[rows, :, TAG_INDEX[tag]] |= does


def hanging(points: Array) -> Flags:
    """Return whether each arm of people [N, T, 17, 3] hangs down along the trunk, bool [N, T, 2]."""
    down = points[:, :, _HIPS].mean(2) - points[:, :, _SHOULDERS].mean(2)
    reach = points[:, :, _WRISTS] - points[:, :, _SHOULDERS]
    size = np.linalg.norm(reach, axis=-1) * np.linalg.norm(down, axis=-1)[..., None]
    return np.greater((reach * down[:, :, None]).sum(-1), np.cos(np.radians(RAISED_DEG)) * size)


def _striking(motion: _Motion) -> Flags:
    """Return which arms [R, T, 2] strike: they do not hang, and move clearly more than the other or shoot out."""
    strokes, pairs = _strokes(motion, _WRISTS, _SHOULDERS)
    extent = np.linalg.norm(motion.points[:, :, _WRISTS] - motion.points[:, :, _SHOULDERS], axis=-1)
    reach = extent / np.maximum(_arm_length(motion.points), 1e-9)
    hangs = hanging(motion.points)
    grows = reach[:, None] - reach[:, :, None] >= THRUST  # [R, first step, last step, 2]
    out = grows & pairs[..., None] & (reach >= FAR)[:, None] & ~hangs[:, None]
    thrusts = out & (_moved(motion, _WRISTS, _SHOULDERS) >= LEAST_STROKE)
    near = _near_ends(motion.times)
    longest = _longest(strokes, near)
    does = _clear(longest) | (near[..., None] & thrusts.any(1)[:, None]).any(2)
    return does & ~hangs & _limbs_known(motion, _SHOULDERS, _ELBOWS, _WRISTS) & motion.during[..., None]


def _throwing(motion: _Motion) -> Flags:
    """Return which arms [R, T, 2] throw: around the longest stroke of each throw, the arm with that stroke, or both
    arms if they move alike and the hands are together."""
    strokes, _ = _strokes(motion, _WRISTS, _SHOULDERS)
    apart = _hands_apart(motion.points)
    does = np.zeros_like(strokes, dtype=bool)
    for row, first, last in _runs(motion.during):
        own, times = strokes[row, first:last], motion.times[row, first:last]
        release = times[own.max(1).argmax()]
        longest = own[np.abs(times - release) <= BEFORE_S + TOLERANCE_S].max(0)
        around = (times >= release - WIND_UP_S - TOLERANCE_S) & (times <= release + FOLLOW_S + TOLERANCE_S)
        together = apart[row, first:last][around & (times <= release + TOLERANCE_S)].max() <= TOGETHER
        both = together and longest.min() >= LEAST_STROKE and longest.max() <= ALIKE * longest.min()
        does[row, first:last] = around[:, None] & (_clear(longest) | both)
    return does & _limbs_known(motion, _SHOULDERS, _ELBOWS, _WRISTS)


def _kicking(motion: _Motion) -> Flags:
    """Return which legs [R, T, 2] kick: the foot is lifted, and moves clearly more than the other one."""
    strokes, _ = _strokes(motion, _ANKLES, _HIPS)
    height = motion.points[:, :, _ANKLES, 1]
    lifted = height - height[..., ::-1] >= LIFTED
    does = _clear(_longest(strokes, _near_ends(motion.times)))
    return does & lifted & motion.known[:, :, _ANKLES].all(-1, keepdims=True) & motion.during[..., None]


def _in_the_air(motion: _Motion) -> Flags:
    """Return when people are in the air [R, T, 1]: between two steps at which an ankle is clearly lower than both."""
    height = motion.points[:, :, _ANKLES, 1].min(-1)
    seen = np.asarray(motion.known[:, :, _ANKLES].all(-1))
    lower = (height[:, None] <= height[:, :, None] - OFF_FLOOR) & (seen[:, None] & seen[:, :, None])
    later = motion.times[:, None] - motion.times[:, :, None]
    within = np.abs(later) <= FLIGHT_S + TOLERANCE_S
    air = (lower & within & (later < 0)).any(2) & (lower & within & (later > 0)).any(2)
    return (air & motion.during)[..., None]


def _carrying(motion: _Motion) -> Flags:
    """Return whether both arms carry, bool [R, T, 2]: both are bent, with the hands in front and near each other.

    A single bent arm may do something else while the other one carries a bag.
    """
    points = motion.points
    upper, fore = (points[:, :, end] - points[:, :, _ELBOWS] for end in (_SHOULDERS, _WRISTS))
    size = np.linalg.norm(upper, axis=-1) * np.linalg.norm(fore, axis=-1)
    bent = np.greater((upper * fore).sum(-1), np.cos(np.radians(BENT_DEG)) * size)
    reach = (points[:, :, _WRISTS] - points[:, :, _SHOULDERS]).mean(2)
    ahead = (reach * motion.facing).sum(-1) >= AHEAD
    arms = bent & _limbs_known(motion, _SHOULDERS, _ELBOWS, _WRISTS)
    return np.repeat((arms.all(-1) & ahead & (_hands_apart(points) <= TOGETHER) & motion.during)[..., None], 2, -1)


def _grabbing(motion: _Motion) -> Flags:
    """Return which hand [R, T, 2] grabs: it is below the knee, and lower than the other one."""
    height = motion.points[:, :, _WRISTS, 1]
    low = (height < motion.points[:, :, _KNEES, 1]) & (height <= height[..., ::-1] - LOWER)
    seen = motion.known[:, :, _WRISTS].all(-1) & motion.known[:, :, _KNEES].all(-1)
    low &= (seen & motion.during)[..., None]
    near = np.abs(motion.times[:, None] - motion.times[:, :, None]) <= GRAB_S + TOLERANCE_S
    often = (low[:, None] & near[..., None]).sum(2)
    return low & (often >= 2) & (often[..., ::-1] == 0)


_SIDES = {tag: (f"{tag}_l", f"{tag}_r") for tag in ("strike", "throw", "kick", "carry", "grab")}
_SHOWN: dict[str, tuple[tuple[str, ...], Callable[[_Motion], Flags]]] = {
    "punch": (_SIDES["strike"], _striking),
    "throw": (_SIDES["throw"], _throwing),
    "kick": (_SIDES["kick"], _kicking),
    "jump": (("jump",), _in_the_air),
    "carry": (_SIDES["carry"], _carrying),
    "pick_up": (_SIDES["grab"], _grabbing),
}
"""For each action, the tags that its joints may show, and the function that returns where they do, [R, T, tags]."""


def _moved(motion: _Motion, ends: slice, roots: slice) -> Array:
    """Return how far both ends moved relative to their roots from each step to each other one, [R, T, T, 2]."""
    reach = motion.points[:, :, ends] - motion.points[:, :, roots]
    return np.linalg.norm(reach[:, None] - reach[:, :, None], axis=-1)


def _strokes(motion: _Motion, ends: slice, roots: slice) -> tuple[Array, Flags]:
    """Return both limbs' longest strokes that end at each step, [R, T, 2], and between which steps strokes are
    measured, bool [R, first step, last step]: those of the action at which both limbs are known."""
    usable = motion.during & motion.known[:, :, ends].all(-1) & motion.known[:, :, roots].all(-1)
    later = motion.times[:, None] - motion.times[:, :, None]
    gaps = np.diff(motion.times, axis=1, prepend=motion.times[:, :1]) > LONGEST_GAP_S + TOLERANCE_S
    whole = gaps.cumsum(1)[:, None] == gaps.cumsum(1)[:, :, None]
    pairs = usable[:, None] & usable[:, :, None] & whole & (later > 0) & (later <= STROKE_S + TOLERANCE_S)
    return (_moved(motion, ends, roots) * pairs[..., None]).max(1), pairs


def _near_ends(times: Array) -> Flags:
    """Return whether each step is near a stroke that ends at each other step, bool [R, step, end]."""
    later = times[:, None] - times[:, :, None]
    return (later <= BEFORE_S + TOLERANCE_S) & (later >= -AFTER_S - TOLERANCE_S)


def _longest(strokes: Array, near: Flags) -> Array:
    """Return the longest strokes [R, T, 2] of those near each step."""
    return (strokes[:, None] * near[..., None]).max(2)


def _clear(strokes: Array) -> Flags:
    """Return which of two limbs' strokes [..., 2] is long, and clearly longer than the other."""
    return (strokes >= LEAST_STROKE) & (strokes >= CLEARLY * strokes[..., ::-1])


def _hands_apart(points: Array) -> Array:
    """Return the distance between the hands [R, T]."""
    return np.linalg.norm(points[:, :, 9] - points[:, :, 10], axis=-1)


def _arm_length(points: Array) -> Array:
    """Return both arms' lengths [R, T, 2]."""
    upper, fore = points[:, :, _ELBOWS] - points[:, :, _SHOULDERS], points[:, :, _WRISTS] - points[:, :, _ELBOWS]
    return np.linalg.norm(upper, axis=-1) + np.linalg.norm(fore, axis=-1)


def _limbs_known(motion: _Motion, *joints: slice) -> Flags:
    """Return whether all these joints of a side are known, bool [R, T, 2]."""
    return np.all([motion.known[:, :, pair] for pair in joints], axis=0)


def _runs(during: Flags) -> list[tuple[int, int, int]]:
    """Return row, first step and the step after the last of each uninterrupted run in [R, T]."""
    edges = np.diff(np.pad(during, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, first = np.nonzero(edges == 1)
    last = np.nonzero(edges == -1)[1]
    return list(zip(rows.tolist(), first.tolist(), last.tolist(), strict=True))


_WAVE, _CLAP, _STRIKE, _THROW, _KICK, _CARRY = "wave", "applaud", "strike", "throw", "kick", "carry"
_GESTURES = (_WAVE, _CLAP, _STRIKE, _THROW, _KICK, _CARRY)
_POSTURES = ("jump", "step", "sit", "crouch", "stand", "lie")


def _but(*names: str) -> tuple[str, ...]:
    """Return gestures and postures without some."""
    return tuple(name for name in (*_GESTURES, *_POSTURES) if name not in names)


# Tags that are on, and those that are off, while an action is done. Names of tags of hands and feet mean both sides.
_SAID: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "stand": (("stand",), _but("stand")),
    "walk": (("step",), _but("step")),
    "run": (("step",), _but("step", "jump")),
    "sit": (("sit",), _but("sit")),
    "lie": (("lie",), _but("lie")),
    "crouch": (("crouch",), _but("crouch", "step")),
    "clap": (("applaud",), (*_but(_CLAP, *_POSTURES), "jump", "lie", "crouch")),
    "wave": ((), (*_but(_WAVE, *_POSTURES), "jump", "lie", "crouch")),
    "punch": ((), (*_but(_STRIKE, *_POSTURES), "jump", "lie", "sit", "crouch")),
    "kick": ((), (*_but(_KICK, *_POSTURES), "lie", "sit", "crouch")),
    "throw": ((), (*_but(_THROW, *_POSTURES), "lie", "crouch")),
    "carry": ((), (*_but(_CARRY, *_POSTURES), "jump", "lie", "sit", "crouch")),
    "pick_up": ((), (*_but(_CARRY, *_POSTURES), "jump", "lie", "sit")),
    "sit_down": ((), (*_but(_CARRY, *_POSTURES), "jump", "lie", "crouch")),
    "stand_up": ((), (*_but(_CARRY, *_POSTURES), "jump")),
    "jump": ((), (*_but(*_POSTURES), "sit", "lie")),
    "fall": ((), (*_but(*_POSTURES), "jump", "crouch")),
    "squat": ((), (*_but(_CARRY, *_POSTURES), "jump", "step", "sit", "lie")),
    "push_up": ((), (*_but(*_POSTURES), "jump", "step", "sit", "lie", "stand", "crouch")),
    "crawl": (("step",), (*_but(*_POSTURES), "jump", "sit", "lie", "stand")),
    "cartwheel": ((), (*_but(*_POSTURES), "sit", "lie")),
}


def _tags() -> tuple[Flags, Flags]:
    """Return which tags are on, and which are known, bool [actions + 1, K]; the last row is for unknown actions."""
    on, known = np.zeros((2, len(ACTIONS) + 1, len(TAGS)), dtype=bool)
    for action, said in _SAID.items():
        for value, names in zip((True, False), said, strict=True):
            for name in names:
                for tag in (name,) if name in TAG_INDEX else (f"{name}_l", f"{name}_r"):
                    on[ACTION_INDEX[action], TAG_INDEX[tag]] = value
                    known[ACTION_INDEX[action], TAG_INDEX[tag]] = True
    return on, known


_ON, _KNOWN = _tags()
_ARM_JOINTS = {side: np.array([5, 7, 9]) + number for number, side in enumerate(("left", "right"))}
_LEG_JOINTS = {side: np.array([11, 13, 15]) + number for number, side in enumerate(("left", "right"))}


class CaptureTargets:
    """Computes the targets of captured people for a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._generated = np.array([ACTION_INDEX.get(name, UNSURE) for name in vocabulary.actions] + [UNSURE])

    def actions(self, action: NDArray[np.int64], points: Array, times: Array, stature: Array) -> NDArray[np.int64]:
        """Return `action` [N, T] without doubtful ones: standing at a walking pace, or the reverse.

        Actions are those of the vocabulary, −1 unknown. `points` [N, T, 17, 3] and `stature` [N] are metres, `times`
        [N, T] seconds.
        """
        generated = self._generated[action]
        sure = without_doubtful_actions(generated, points[:, :, 11:13].mean(2), times, stature)
        return np.where(sure == generated, action, -1)

    def states(
        self,
        action: NDArray[np.int64],
        points: Array,
        facing: Array,
        missing: Flags,
        times: Array,
        stature: Array,
    ) -> tuple[Flags, Flags, Flags, Flags]:
        """Return states and which are known, bool [N, T, parts, states], and relevance and which is known, bool
        [N, T, parts]. `missing` bool [N, T, 17]: the place in `points` is not known.

        Heads are unknown, because captures do not say where faces look.
        """
        generated = self._generated[action]
        on, known = _ON[generated], _KNOWN[generated]
        _waving_hands(on, known, generated == ACTION_INDEX["wave"], points, stature)
        facing = _steady(facing, times)
        set_limb_tags(on, known, generated, points, facing, missing, times, stature)
        states, states_known = known_part_states(self.vocabulary, points, facing, on, known, times, stature)
        states_known = states_known & self._measured(missing)[..., None]
        certain, _ = relevance(self.vocabulary, generated, points, (on & known).astype(np.float64), times, stature)
        possible, some = relevance(self.vocabulary, generated, points, (on | ~known).astype(np.float64), times, stature)
        return states, states_known, certain, (certain == possible) & some[..., None]

    def _measured(self, missing: Flags) -> Flags:
        """Return the parts whose joints are known, bool [N, T, parts]."""
        out = np.ones((*missing.shape[:2], len(self.vocabulary.parts)), dtype=bool)
        ankles = missing[..., 15:17].all(-1)
        out[..., self.vocabulary.part_index("head")] = False
        out[..., self.vocabulary.part_index("hip")] = ~missing[..., 5:].any(-1)
        for side in ("left", "right"):
            arm, leg = (missing[..., joints[side]].any(-1) for joints in (_ARM_JOINTS, _LEG_JOINTS))
            for part, unknown in (("arm", arm | ankles), ("hand", arm | ankles), ("leg", leg), ("foot", leg)):
                out[..., self.vocabulary.part_index(f"{side}_{part}")] = ~unknown
        return out


_STEADY_S = 0.2
"""Time over which facing is averaged: Kinect's shoulders turn by several degrees between steps of people who do not."""


def _steady(facing: Array, times: Array) -> Array:
    """Return facing [N, T, 3] averaged over the steps around each."""
    weight = np.exp(-(((times[:, :, None] - times[:, None]) / _STEADY_S) ** 2))
    return weight @ facing / weight.sum(-1, keepdims=True)


_MOVES, _MOVES_MORE = 0.06, 2.5
"""A hand waves if it moves over this range, in statures, and this many times as far as a hand that does not."""


def _waving_hands(on: Flags, known: Flags, waves: Flags, points: Array, stature: Array) -> None:
    """Set the tags of waving hands [N, T, K], in place, where `waves` [N, T] and it is clear which hand does.

    A hand's range is its standard deviation from the shoulder while the action lasts. Hands that hang down meanwhile
    are unknown.
    """
    rows = np.flatnonzero(waves.any(1))
    if not len(rows):
        return
    hands = (points[rows, :, 9:11] - points[rows, :, 5:7]) / stature[rows, None, None, None]
    weight = waves[rows, :, None, None] / waves[rows].sum(1)[:, None, None, None]
    mean = (hands * weight).sum(1, keepdims=True)
    spread = np.sqrt((((hands - mean) ** 2) * weight).sum((1, 3)))  # [rows, 2]
    hangs = hanging(points[rows])
    for side, short in enumerate("lr"):
        own, other = spread[:, side], spread[:, 1 - side]
        clear = own > _MOVES_MORE * other
        both = (own > _MOVES) & (other > _MOVES) & (own < 1.5 * other) & (other < 1.5 * own)
        does = (((own > _MOVES) & clear) | both)[:, None] & waves[rows] & ~hangs[..., side]
        idle = ((other > _MOVES) & (other > _MOVES_MORE * own))[:, None] & waves[rows]
        tag = TAG_INDEX[f"wave_{short}"]
        on[rows, :, tag] |= does
        known[rows, :, tag] |= does | idle
