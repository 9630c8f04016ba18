"""True part states and relevance, from the skeleton in space and the movement's tags.

Measured states (the elbow is bent, the hand is above the shoulder) come from the joints before any camera or noise;
intended ones (wave, clap, hold) come from the tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary
from training.synthetic.motion.movement import ACTIONS, TAG_INDEX

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

SIDES = ("left", "right")
# The parts that define an action; further ones depend on the limb that does it (`_BY_LIMB`).
_DEFINING = {
    "stand": ("hip", "left_leg", "right_leg", "left_foot", "right_foot"),
    "walk": ("hip", "left_leg", "right_leg", "left_foot", "right_foot"),
    "run": ("hip", "left_leg", "right_leg", "left_foot", "right_foot", "left_arm", "right_arm"),
    "jump": ("hip", "left_leg", "right_leg", "left_foot", "right_foot"),
    "crouch": ("hip", "left_leg", "right_leg"),
    "sit": ("hip", "left_leg", "right_leg"),
    "wave": (),
    "clap": (),
    "punch": (),
    "kick": (),
    "lie": ("hip", "left_leg", "right_leg"),
    "crawl": ("hip", "left_arm", "right_arm", "left_hand", "right_hand", "left_leg", "right_leg"),
    "fall": ("head", "hip", "left_leg", "right_leg"),
    "sit_down": ("hip", "left_leg", "right_leg"),
    "stand_up": ("hip", "left_leg", "right_leg"),
    "throw": (),
    "pick_up": ("hip",),
    "carry": (),
    "push_up": ("hip", "left_arm", "right_arm", "left_hand", "right_hand"),
    "squat": ("hip", "left_leg", "right_leg"),
    "cartwheel": ("hip", "left_arm", "right_arm", "left_hand", "right_hand", "left_leg", "right_leg"),
    "juggle": ("left_arm", "right_arm", "left_hand", "right_hand"),
}
# Actions that are defined by whichever parts move.
_DEFINED_BY_MOTION = frozenset({"dance", "other"})
_BY_LIMB = {"wave": ("wave", ("arm", "hand")), "clap": ("applaud", ("arm", "hand"))}
_BY_LIMB |= {"punch": ("strike", ("arm", "hand")), "kick": ("kick", ("leg", "foot"))}
_BY_LIMB |= {"throw": ("throw", ("arm", "hand")), "pick_up": ("grab", ("arm", "hand"))}
_BY_LIMB |= {"carry": ("carry", ("arm", "hand"))}


def _angle(a: Array, b: Array, c: Array) -> Array:
    """Return the angle at b in degrees, [...]."""
    u, v = a - b, c - b
    size = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    return np.degrees(np.arccos(np.clip((u * v).sum(-1) / np.maximum(size, 1e-9), -1, 1)))


def _speed(points: Array, times: Array) -> Array:
    """Return the speed [N, T] of points [N, T, 3] in metres per second, from the steps before and after."""
    if points.shape[1] < 2:
        return np.zeros(points.shape[:2])
    moved = np.linalg.norm(np.diff(points, axis=1), axis=-1) / np.maximum(np.diff(times, axis=1), 1e-3)
    moved = np.concatenate([moved[:, :1], moved, moved[:, -1:]], 1)
    return 0.5 * (moved[:, :-1] + moved[:, 1:])


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What the joints in space say of N people over T steps, each bool [N, T]: `states` by (part, state), and `facts`
    on which further states depend, by name."""

    states: Mapping[tuple[str, str], Flags]
    facts: Mapping[str, Flags]


def part_states(
    vocabulary: Vocabulary, joints: Array, facing: Array, tags: Array, times: Array, stature: Array
) -> Flags:
    """Return true states bool [N, T, parts, states] of people with `joints` [N, T, 17, 3] metres and `tags` [N, T, K].

    `facing` [N, T, 3] is the chest's forward direction, `times` [N, T] seconds, `stature` [N] metres. A part without
    any other state is `none`.
    """
    on = tags > 0.5
    out = _table(vocabulary, _with_intended(measured_states(joints, facing, times, stature), on, ~on))
    out[..., vocabulary.state_index("none")] = ~out.any(-1)
    return out


def known_part_states(
    vocabulary: Vocabulary,
    joints: Array,
    facing: Array,
    tags: Flags,
    tags_known: Flags,
    times: Array,
    stature: Array,
) -> tuple[Flags, Flags]:
    """Return true states as `part_states` does, and which are known, both bool [N, T, parts, states].

    `tags` and `tags_known` are bool [N, T, K]. A state is known if the known tags exclude it, or leave it to the
    joints. Which states are known does not depend on the joints: otherwise, a state with an unknown tag would be known
    only where the joints exclude it, and learned as rare. `none` is known if all other states of the part are.
    """
    measured = measured_states(joints, facing, times, stature)
    states = _table(vocabulary, _with_intended(measured, tags, ~tags))
    anything = Measured(measured.states, {name: np.ones_like(fact) for name, fact in measured.facts.items()})
    # A state depends on each tag being on, or on its being off, and each of the two can only make the state true.
    certain = _table(vocabulary, _with_intended(anything, tags & tags_known, ~tags & tags_known))
    possible = _table(vocabulary, _with_intended(anything, tags | ~tags_known, ~tags | ~tags_known))
    known = certain == possible
    none = vocabulary.state_index("none")
    states[..., none] = ~states.any(-1)
    known[..., none] = known.all(-1)
    return states, known


def measured_states(joints: Array, facing: Array, times: Array, stature: Array) -> Measured:
    """Measure the joints [N, T, 17, 3] of people; the other arguments are as for `part_states`."""
    tall = stature[:, None]
    states: dict[tuple[str, str], Flags] = {}
    facts: dict[str, Flags] = {}
    neck = joints[:, :, 5:7].mean(2)
    pelvis = joints[:, :, 11:13].mean(2)
    trunk = neck - pelvis
    lean = np.degrees(np.arccos(np.clip(trunk[..., 1] / np.maximum(np.linalg.norm(trunk, axis=-1), 1e-9), -1, 1)))

    ankles = joints[:, :, 15:17]
    # The ground under the person: the lowest joint, at the height of a standing ankle.
    others = joints[:, :, 5:15, 1].min(-1) + 0.015 * tall
    ground = np.minimum(ankles[..., 1].min(-1), np.minimum(others, joints[:, :, 0, 1]))
    level = (pelvis[..., 1] - ground) / tall
    # A person lying down raises an arm along the trunk, not upwards.
    flat = (lean > 55) & (level < 0.17)
    up = np.where(
        flat[..., None], trunk / np.maximum(np.linalg.norm(trunk, axis=-1, keepdims=True), 1e-9), [0.0, 1.0, 0.0]
    )

    ears = joints[:, :, 3:5].mean(2)
    nose = joints[:, :, 0] - ears
    across = joints[:, :, 6] - joints[:, :, 5]
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    ahead = nose - (nose * across).sum(-1, keepdims=True) * across
    yaw = np.degrees(np.arctan2(np.abs((nose * across).sum(-1)), np.linalg.norm(ahead, axis=-1)))
    # With a level head, the nose is slightly below the ears.
    pitch = np.degrees(np.arcsin(np.clip((nose * up).sum(-1) / np.maximum(np.linalg.norm(nose, axis=-1), 1e-9), -1, 1)))
    states["head", "turn"] = (yaw > 35) & (lean < 60)
    states["head", "raise"] = pitch > 15
    states["head", "lower"] = pitch < -38

    for side, name in enumerate(SIDES):
        shoulder, elbow, wrist = (joints[:, :, start + side] for start in (5, 7, 9))
        hip, knee, ankle = (joints[:, :, start + side] for start in (11, 13, 15))
        bend = _angle(shoulder, elbow, wrist)
        drop = ((shoulder - wrist) * up).sum(-1)
        reach = np.linalg.norm(wrist - shoulder, axis=-1)
        states[f"{name}_arm", "bend"] = bend < 105
        states[f"{name}_arm", "unbend"] = (bend > 150) & (drop < 0.8 * reach)
        states[f"{name}_arm", "raise"] = ((elbow - shoulder) * up).sum(-1) > -0.03 * tall
        states[f"{name}_hand", "raise"] = drop < -0.01 * tall
        facts[f"{name}_support"] = (wrist[..., 1] - ground) / tall < 0.06

        fold = _angle(hip, knee, ankle)
        height = (ankle[..., 1] - ground) / tall
        low = (hip[..., 1] - ankle[..., 1]) / np.maximum(np.linalg.norm(hip - ankle, axis=-1), 1e-9)
        slow = _speed(ankle, times) / tall < 0.35
        facts[f"{name}_straight"] = (fold > 150) & (height < 0.06) & slow
        facts[f"{name}_raised"] = height > 0.1
        facts[f"{name}_kneels"] = ((knee[..., 1] - ground) / tall < 0.05) & (hip[..., 1] - knee[..., 1] > 0.08 * tall)
        facts[f"{name}_bend"] = fold < 125
        facts[f"{name}_unbend"] = (fold > 150) & (low < 0.75)

    heading = np.unwrap(np.arctan2(-facing[..., 2], facing[..., 0]), axis=1)
    if heading.shape[1] > 1:
        rate = np.abs(np.diff(heading, axis=1)) / np.maximum(np.diff(times, axis=1), 1e-3)
        rate = np.concatenate([rate[:, :1], rate], 1)
    else:
        rate = np.zeros_like(heading)
    states["hip", "turn"] = (np.degrees(rate) > 60) & (lean < 60)
    facts["upright"] = (lean < 40) & (level > 0.4)
    facts["stooped"] = (lean > 45) & (lean < 140) & (level > 0.33)
    return Measured(states, facts)


def _with_intended(measured: Measured, tags_on: Flags, tags_off: Flags) -> dict[tuple[str, str], Flags]:
    """Return all states but `none` by (part, state), from tags that are on and tags that are off, bool [N, T, K]."""
    on = {name: tags_on[..., index] for name, index in TAG_INDEX.items()}
    off = {name: tags_off[..., index] for name, index in TAG_INDEX.items()}
    labels, facts = dict(measured.states), measured.facts
    for name in SIDES:
        short = name[0]
        idle = off[f"wave_{short}"] & off[f"applaud_{short}"] & off[f"strike_{short}"] & off[f"throw_{short}"]
        arm = f"{name}_arm"
        labels[arm, "swing"] = on[f"swing_{short}"]
        labels[arm, "push"] = on[f"push_{short}"]
        for state in ("applaud", "wave", "strike", "throw", "carry"):
            labels[arm, state] = on[f"{state}_{short}"]
            labels[f"{name}_hand", state] = on[f"{state}_{short}"]
        support = facts[f"{name}_support"] & off["lie"] & off["stand"]
        labels[arm, "support"] = labels[f"{name}_hand", "support"] = support
        labels[f"{name}_hand", "grab"] = on[f"grab_{short}"]
        labels[f"{name}_hand", "hold"] = on[f"hold_{short}"] & idle

        jump, grounded = on["jump"], off["jump"]
        stands = on["stand"] & facts[f"{name}_straight"] & grounded & off[f"kick_{short}"]
        for part in (f"{name}_leg", f"{name}_foot"):
            labels[part, "step"] = on["step"] & grounded
            labels[part, "kick"] = on[f"kick_{short}"]
            labels[part, "jump"] = jump
            labels[part, "stand"] = stands
            labels[part, "raise"] = facts[f"{name}_raised"] & off["step"] & grounded
        still = off["step"] | jump
        labels[f"{name}_leg", "kneel"] = facts[f"{name}_kneels"] & off["lie"] & off["sit"]
        labels[f"{name}_leg", "bend"] = facts[f"{name}_bend"] & still
        labels[f"{name}_leg", "unbend"] = facts[f"{name}_unbend"] & still
        labels[f"{name}_foot", "tiptoe"] = on["tiptoe"]
        labels[f"{name}_foot", "stand"] = stands & off["tiptoe"]

    labels["hip", "stand"] = on["stand"] & facts["upright"] & off["jump"]
    labels["hip", "step"] = on["step"] & off["jump"]
    labels["hip", "sit"] = on["sit"]
    labels["hip", "lie"] = on["lie"]
    labels["hip", "crouch"] = on["crouch"]
    labels["hip", "stoop"] = facts["stooped"] & off["sit"]
    labels["hip", "jump"] = on["jump"]
    return labels


def _table(vocabulary: Vocabulary, labels: Mapping[tuple[str, str], Flags]) -> Flags:
    """Return the states that the vocabulary has, bool [N, T, parts, states]."""
    shape = next(iter(labels.values())).shape
    out = np.zeros((*shape, len(vocabulary.parts), len(vocabulary.states)), dtype=bool)
    for (part, state), flags in labels.items():
        if state in vocabulary.states_of[part]:
            out[:, :, vocabulary.part_index(part), vocabulary.state_index(state)] = flags
    return out


def relevance(
    vocabulary: Vocabulary, action: NDArray[np.int64], joints: Array, tags: Array, times: Array, stature: Array
) -> tuple[Flags, Flags]:
    """Return which parts define the action, bool [N, T, parts], and whether that is known, bool [N, T].

    `action` [N, T] indexes `training.synthetic.motion.movement.ACTIONS`, −1 if unsure. For `other` and `dance` the
    defining parts are those whose end moves faster than half a stature per second.
    """
    out = np.zeros((*action.shape, len(vocabulary.parts)), dtype=bool)
    for index, name in enumerate(ACTIONS):
        rows = action == index
        if name in _DEFINED_BY_MOTION:
            fast = _moving(vocabulary, joints, times, stature)
            out |= rows[..., None] & fast
            continue
        for part in _DEFINING[name]:
            out[..., vocabulary.part_index(part)] |= rows
        if name in _BY_LIMB:
            tag, limbs = _BY_LIMB[name]
            for side, short in zip(SIDES, "lr", strict=True):
                does = rows & (tags[..., TAG_INDEX[f"{tag}_{short}"]] > 0.5)
                for limb in limbs:
                    out[..., vocabulary.part_index(f"{side}_{limb}")] |= does
    return out, (action >= 0) & out.any(-1)


def relevance_of_actions(vocabulary: Vocabulary) -> tuple[Flags, Flags]:
    """Return which parts define each action of a vocabulary, whatever the movement looks like, and where that is known.

    Both bool [actions, parts]. It is unknown for limbs of which either side may do the action, for actions that are
    defined by what moves, and for actions without a definition here.
    """
    defining = np.zeros((len(vocabulary.actions), len(vocabulary.parts)), dtype=bool)
    known = np.zeros_like(defining)
    for row, name in enumerate(vocabulary.actions):
        if name not in _DEFINING:
            continue
        _, limbs = _BY_LIMB.get(name, ("", ()))
        either_side = {f"{side}_{limb}" for side in SIDES for limb in limbs}
        for column, part in enumerate(vocabulary.parts):
            defining[row, column] = part in _DEFINING[name]
            known[row, column] = part not in either_side
    return defining, known


def _moving(vocabulary: Vocabulary, joints: Array, times: Array, stature: Array) -> Flags:
    out = np.zeros((*joints.shape[:2], len(vocabulary.parts)), dtype=bool)
    ends = {"head": joints[:, :, 0], "hip": joints[:, :, 11:13].mean(2)}
    for side, name in enumerate(SIDES):
        ends |= {f"{name}_arm": joints[:, :, 7 + side], f"{name}_hand": joints[:, :, 9 + side]}
        ends |= {f"{name}_leg": joints[:, :, 13 + side], f"{name}_foot": joints[:, :, 15 + side]}
    for part, points in ends.items():
        out[..., vocabulary.part_index(part)] = _speed(points, times) / stature[:, None] > 0.5
    return out
