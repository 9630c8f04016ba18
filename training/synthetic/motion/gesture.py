"""What a gesture is, and how it says what a hand does. Owns nothing."""

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
    """A part-level movement. `action` is what the person then does, or None where the base activity's action stands."""

    name: str
    action: str | None
    apply: Overlay
    share: float = 1.0
    held_out: bool = False
    source: str = ""
    """Gestures of one source share a construction, as with `movement.Style`; an empty one: alone in its own."""


def tag_hand(movement: Movement, name: str, side: int, weight: Array, on: Array | float = 1.0) -> None:
    """Hand `side` now does `name` and nothing else, as far as `weight` says; `on` [T] is when it really does. In
    place."""
    free_hand(movement, side, weight)
    index = TAG_INDEX[f"{name}_{'lr'[side]}"]
    movement.tags[:, index] = np.maximum(movement.tags[:, index], weight * on)


def free_hand(movement: Movement, side: int, weight: Array) -> None:
    """Hand `side` does nothing in particular any more, as far as `weight` says, in place."""
    let_go(movement, side, weight)
    for index in HAND_TAGS:
        if index % 2 == side:
            movement.tags[:, index] *= 1 - weight
