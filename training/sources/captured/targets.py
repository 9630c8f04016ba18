"""Part states and relevance of captured people: what the joints in space and the action say; the rest is unknown.

Walking always implies steps, but the label `wave` does not tell which hand waves. Tags of generated
movements (`training.synthetic.motion.movement.TAGS`) are therefore on, off or unknown for each action. Hands that
clearly wave are known from the joints, as are limbs that do something else (`training.sources.captured.acting_limbs`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.sources.captured.acting_limbs import hanging, set_limb_tags
from training.synthetic.motion.movement import ACTION_INDEX, ACTIONS, TAG_INDEX, TAGS, UNSURE
from training.synthetic.motion.pace import without_doubtful_actions
from training.synthetic.sequences.labels import known_part_states, relevance

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

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
