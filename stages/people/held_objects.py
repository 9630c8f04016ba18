"""Assignment of a frame's objects to people and their hands.

For the action model, a person gets the object nearest to one of their hands, if it is within reach: the distance from
the centre of the hand's box to the object's box (0 inside it) must be at most a fifth of the stature, here the longer
side of the person's box. Of equally near objects the one with the best score is taken. Several people may get the same
object. See docs/method.md, "Features".

For results, a hand holds the nearest object within half of that, if a hand can hold such a thing. An object is in the
nearest hand, or in all hands whose centre is inside its box.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.detection.detections import ObjectDetections, PartBoxes

HAND_REACH = 0.2
"""In statures: half the side of the square around a hand from which `edge` takes object features."""
HOLDING_REACH = 0.1
"""In statures. Keypoint errors are as large as a hand, 0.08."""
LARGEST_HELD = 0.6
"""Longer side of the largest object that a hand holds, in statures. Tables are taken for cakes."""
NEVER_HELD = frozenset(
    ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light", "fire hydrant",
     "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra",
     "giraffe", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "microwave", "oven", "toaster",
     "sink", "refrigerator", "clock")
)  # fmt: skip
"""Of COCO's classes."""
_HANDS = ("left_hand", "right_hand")


def hand_rows(names: tuple[str, ...]) -> list[int]:
    """Return the rows of the hands among the parts of these `names`."""
    return [names.index(name) for name in _HANDS if name in names]


def held_objects(
    people: NDArray[np.float32], parts: PartBoxes, names: tuple[str, ...], objects: ObjectDetections
) -> NDArray[np.int64]:
    """Return the row of each person's object, −1 for none: int64 `[n]`.

    people float32 `[n, 4]`; `parts` are their parts, in the order of `names`; all boxes are in the same pixels.
    """
    hands = hand_rows(names)
    if not len(objects.scores) or not hands or not len(people):
        return np.full(len(people), -1, np.int64)
    distances = _distances(parts, hands, objects).min(1)  # [n, m]
    # Sorted by score, because argmin returns the first of equally near objects.
    order = np.argsort(-objects.scores, kind="stable")
    nearest = order[distances[:, order].argmin(1)]
    return np.where(distances[np.arange(len(people)), nearest] <= HAND_REACH * _statures(people), nearest, -1)


def objects_in_hands(
    people: NDArray[np.float32], parts: PartBoxes, names: tuple[str, ...], objects: ObjectDetections
) -> NDArray[np.int64]:
    """Return the row of the object in each hand, −1 for none: int64 `[n, hands]`, hands as in `hand_rows`.

    Arguments as those of `held_objects`.
    """
    hands = hand_rows(names)
    in_hands = np.full((len(people), len(hands)), -1, np.int64)
    if not len(objects.scores) or not hands or not len(people):
        return in_hands
    statures = _statures(people)
    distances = _distances(parts, hands, objects)  # [n, hands, m]
    lengths = (objects.boxes[:, 2:] - objects.boxes[:, :2]).max(-1)
    possible = np.array([label not in NEVER_HELD for label in objects.labels])
    possible = possible & (lengths <= LARGEST_HELD * statures[:, None])  # [n, m]
    near = possible[:, None] & (distances <= HOLDING_REACH * statures[:, None, None])
    distances = np.where(near, distances, np.inf)
    distances[distances > distances.min((0, 1))] = np.inf
    order = np.argsort(-objects.scores, kind="stable")
    nearest = order[distances[..., order].argmin(-1)]
    held = np.isfinite(np.take_along_axis(distances, nearest[..., None], -1)[..., 0])
    return np.where(held, nearest, in_hands)


def _distances(parts: PartBoxes, hands: list[int], objects: ObjectDetections) -> NDArray[np.float64]:
    """Return the distance from each hand's centre to each object's box, infinite for absent hands: `[n, hands, m]`."""
    boxes, present = parts.boxes[:, hands].astype(np.float64), parts.present[:, hands]
    centres = (boxes[..., None, :2] + boxes[..., None, 2:]) / 2  # [n, hands, 1, 2]
    object_boxes = objects.boxes.astype(np.float64)
    before, after = object_boxes[:, :2] - centres, centres - object_boxes[:, 2:]
    outside = np.maximum(before, 0) + np.maximum(after, 0)  # [n, hands, m, 2]
    return np.where(present[..., None], np.hypot(outside[..., 0], outside[..., 1]), np.inf)


def _statures(people: NDArray[np.float32]) -> NDArray[np.float64]:
    return (people[:, 2:] - people[:, :2]).max(-1).astype(np.float64)
