"""Which clips of recorded motion train, select and test: decided by person, so that nobody is in two roles.

Sources with an official division keep it. Sources with fewer than ten known people only train.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

from training.kinetics_tps.video_roles import Role
from training.sources.motion_clips import MotionClips

_TESTED, _SELECTING = (2, 5, 8), (0,)
"""Of each ten people, in the order of their names: three test and one selects."""
FEWEST = 10
"""Least number of known people in a source that is divided."""


def roles(clips: MotionClips) -> NDArray[np.str_]:
    """Return each clip's role, [C]."""
    if clips.source == "jhmdb":  # the first of its three divisions, which keeps clips of one film together
        official: list[Role] = ["test" if "split1/test" in text else "train" for text in clips.text]
        return np.array(_with_selection(clips, official))
    if clips.source == "penn_action":  # nothing is tested on it
        return np.array(_with_selection(clips, ["train"] * len(clips)))
    if clips.source == "bandai_namco":
        units = _contents(clips)
        names = sorted(set(units), key=_hash)
    else:
        units, names = list(clips.person), sorted(set(clips.person))
        if len(names) < FEWEST:
            return np.full(len(clips), "train", dtype="<U10")
    of_unit = {name: _by_number(number) for number, name in enumerate(names)}
    return np.array([of_unit[unit] for unit in units])


def units(clips: MotionClips) -> list[str]:
    """Return for each clip [C] the name of the clips that are close to copies of it or show the same person, and have
    its role. A clip of an unknown person is on its own."""
    if clips.source == "bandai_namco":
        return _contents(clips)
    return [person or f"clip {number}" for number, person in enumerate(clips.person)]


def _contents(clips: MotionClips) -> list[str]:
    """Return the content and style of Bandai-Namco's clips: its few actors are not named and repeat each often."""
    return [re.sub(r"\s+\d+$", "", text) for text in clips.text]


def _by_number(number: int) -> Role:
    return "test" if number % 10 in _TESTED else "validation" if number % 10 in _SELECTING else "train"


def _with_selection(clips: MotionClips, official: list[Role]) -> list[Role]:
    """Return the roles with one in ten training clips selecting instead."""
    return [
        "validation" if role == "train" and int(_hash(f"{clips.source} {number}"), 16) % 10 in _SELECTING else role
        for number, role in enumerate(official)
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
