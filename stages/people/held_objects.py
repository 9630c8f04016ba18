"""Assignment of a frame's objects to the people who hold them.

A person gets the object nearest to one of their hands, if it is within reach: the distance from the centre of the
hand's box to the object's box (0 inside it) must be at most a fifth of the stature, here the longer side of the
person's box. Of equally near objects the one with the best score is taken. Several people may get the same object. See
docs/method.md, "Features".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.detection.detections import ObjectDetections, PartBoxes

HAND_REACH = 0.2
"""In statures: half the side of the square around a hand from which `edge` takes object features."""
_HANDS = ("left_hand", "right_hand")


def held_objects(
    people: NDArray[np.float32], parts: PartBoxes, names: tuple[str, ...], objects: ObjectDetections
) -> NDArray[np.int64]:
    """Return the row of each person's object, −1 for none: int64 `[n]`.

    people float32 `[n, 4]`; `parts` are their parts, in the order of `names`; all boxes are in the same pixels.
    """
    hands = [names.index(name) for name in _HANDS if name in names]
    if not len(objects.scores) or not hands or not len(people):
        return np.full(len(people), -1, np.int64)
    boxes, present = parts.boxes[:, hands].astype(np.float64), parts.present[:, hands]
    centres = (boxes[..., None, :2] + boxes[..., None, 2:]) / 2  # [n, hands, 1, 2]
    object_boxes = objects.boxes.astype(np.float64)
    before, after = object_boxes[:, :2] - centres, centres - object_boxes[:, 2:]
    outside = np.maximum(before, 0) + np.maximum(after, 0)  # [n, hands, m, 2]
    distances = np.where(present[..., None], np.hypot(outside[..., 0], outside[..., 1]), np.inf).min(1)  # [n, m]
    stature = (people[:, 2:] - people[:, :2]).max(-1).astype(np.float64)
    # Sorted by score, because argmin returns the first of equally near objects.
    order = np.argsort(-objects.scores, kind="stable")
    nearest = order[distances[:, order].argmin(1)]
    return np.where(distances[np.arange(len(people)), nearest] <= HAND_REACH * stature, nearest, -1)
