"""Held objects: which of a frame's objects each person acts on, by where their hands are. Pure, owns nothing.

The nearest object within a hand's reach: a fifth of a stature (the person's box's longer side) from the middle of the
hand's box to the object's box, 0 where the middle lies in it. Of two as near, the one with the better score. Several
people may have one object; who has no hand in sight, or nothing near it, has none. See docs/method.md, "Features".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.detection.detections import ObjectDetections, PartBoxes

HAND_REACH = 0.2
"""In statures: half the side of the square that `edge` looks at around a hand."""
_HANDS = ("left_hand", "right_hand")


def held_objects(
    people: NDArray[np.float32], parts: PartBoxes, names: tuple[str, ...], objects: ObjectDetections
) -> NDArray[np.int64]:
    """Each person's object, by row, −1 for none: int64 `[n]`. people float32 `[n, 4]`, `parts` are theirs, `names` the
    parts' in order; all in the same pixels."""
    hands = [names.index(name) for name in _HANDS if name in names]
    if not len(objects.scores) or not hands or not len(people):
        return np.full(len(people), -1, np.int64)
    boxes, present = parts.boxes[:, hands].astype(np.float64), parts.present[:, hands]
    middle = (boxes[..., None, :2] + boxes[..., None, 2:]) / 2  # [n, hands, 1, 2]
    things = objects.boxes.astype(np.float64)
    outside = np.maximum(things[:, :2] - middle, 0) + np.maximum(middle - things[:, 2:], 0)  # [n, hands, m, 2]
    far = np.where(present[..., None], np.hypot(outside[..., 0], outside[..., 1]), np.inf).min(1)  # [n, m]
    stature = (people[:, 2:] - people[:, :2]).max(-1).astype(np.float64)
    # argmin takes the first of those as near: the best score.
    order = np.argsort(-objects.scores, kind="stable")
    nearest = order[far[:, order].argmin(1)]
    return np.where(far[np.arange(len(people)), nearest] <= HAND_REACH * stature, nearest, -1)
