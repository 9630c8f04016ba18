"""Part states that a 2-D view shows without doubt; the others stay unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import Vocabulary

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

IN_PLANE = 0.9
"""A bone that looks at least this long, as a share of its usual length, lies in the picture's plane to within 26°."""
_CLEARLY = 0.12
"""Height difference in statures that a steep view of an arm that reaches ahead does not make."""
_UPRIGHT = 0.8
"""Cosine between an upright trunk and the vertical, at least."""
#         limb, first joint, usual lengths, angles in degrees below and above which it is surely bent or surely not
_LIMBS = (("arm", 5, (0.172, 0.150), 85.0, 125.0), ("leg", 11, (0.245, 0.240), 105.0, 150.0))
_SIDES = ("left", "right")


def visible_states(vocabulary: Vocabulary, points: Array, known: Flags, steps: Flags) -> tuple[Flags, Flags]:
    """Return part states and whether each is known, both bool [N, T, parts, states].

    `points` [N, T, 17, 2] are joints in statures, y down; `known` [N, T, 17]: visible ones; `steps` [N, T]: the person
    may be walking or running, whose legs are not `bend` however they look. Limbs are `bend` or not if both bones lie in
    the picture's plane; a hand is `raise` or not if it is clearly above or below the shoulder of an upright person.
    """
    shape = (*points.shape[:2], len(vocabulary.parts), len(vocabulary.states))
    states, decided = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)

    def decide(part: str, state: str, true: Flags, false: Flags) -> None:
        if state in vocabulary.states_of.get(part, ()):
            place = (vocabulary.part_index(part), vocabulary.state_index(state))
            states[:, :, *place], decided[:, :, *place] = true, true | false

    up = points[:, :, 5:7].mean(2) - points[:, :, 11:13].mean(2)
    upright = -up[..., 1] > _UPRIGHT * np.maximum(np.linalg.norm(up, axis=-1), 0.2)
    upright &= known[:, :, [5, 6, 11, 12]].all(-1)
    for side, name in enumerate(_SIDES):
        for limb, start, usual, bent, straight in _LIMBS:
            joints = [start + side, start + 2 + side, start + 4 + side]
            first, second = (points[:, :, joints[place]] - points[:, :, joints[1]] for place in (0, 2))
            lengths = np.stack([np.linalg.norm(bone, axis=-1) for bone in (first, second)], -1)
            flat = (lengths > IN_PLANE * np.array(usual)).all(-1) & known[:, :, joints].all(-1)
            if limb == "leg":
                flat &= ~steps
            cosine = (first * second).sum(-1) / np.maximum(lengths.prod(-1), 1e-9)
            angle = np.degrees(np.arccos(cosine.clip(-1, 1)))
            decide(f"{name}_{limb}", "bend", flat & (angle < bent), flat & (angle > straight))
        rise = points[:, :, 5 + side, 1] - points[:, :, 9 + side, 1]
        clear = upright & known[:, :, 9 + side]
        decide(f"{name}_hand", "raise", clear & (rise > _CLEARLY), clear & (rise < -_CLEARLY))
    return states, decided
