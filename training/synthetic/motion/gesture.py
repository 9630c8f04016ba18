"""Gestures, and tagging what a hand does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import HAND_TAGS, TAG_INDEX, Movement, Rng, let_go

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


def tag_hand(movement: Movement, name: str, side: int, weight: Array, on: Array | float = 1.0) -> None:
    """Tag that hand `side` does only `name`, by `weight`, in place. `on` [T]: when it does."""
    free_hand(movement, side, weight)
    index = TAG_INDEX[f"{name}_{'lr'[side]}"]
    movement.tags[:, index] = np.maximum(movement.tags[:, index], weight * on)


def free_hand(movement: Movement, side: int, weight: Array) -> None:
    """Remove the tags of hand `side`, by `weight`, and let go of what it holds, in place."""
    let_go(movement, side, weight)
    for index in HAND_TAGS:
        if index % 2 == side:
            movement.tags[:, index] *= 1 - weight
