"""The objects of one camera's epoch: which are published, who holds them, and where they are between looks for objects.

For the action model, a person gets the object nearest to one of their hands, if it is within reach: the distance from
the centre of the hand's box to the object's box (0 inside it) must be at most a fifth of the stature, here the longer
side of the person's box. Of equally near objects the one with the best score is taken. Several people may get the same
object. See docs/method.md, "Features".

For results, a hand holds the nearest object within half of that, if a hand can hold such a thing. An object is in the
nearest hand, or in all hands whose centre is inside its box. Objects that a person holds move with the hand, at the
same offset from its centre. All others keep still. The next look replaces them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.detection.detections import NO_OBJECTS, ObjectDetections, PartBoxes, iou
from stages.people.people import SeenPerson

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


Hand = tuple[int, int]
"""A person's track, and the row of the hand among the parts."""


@dataclass(slots=True)
class _Held:
    """An object in hands, as it was found."""

    row: int
    hand: Hand
    """The hand with which it moves."""
    centre: NDArray[np.float32]
    """Of that hand."""
    box: NDArray[np.float32]


class ObjectMemory:
    """Remembers the objects of the last look."""

    def __init__(self, parts: tuple[str, ...], forget_after_us: int | None = None) -> None:
        """`parts`: their names. `forget_after_us`: media time after which objects are forgotten without a look."""
        self._parts = parts
        self._forget_after_us = forget_after_us
        self._seen_us = 0
        self._held: list[_Held] = []
        self.objects = NO_OBJECTS
        """Where they are in the last frame, in pixels of the epoch's first picture."""
        self.in_hands: dict[Hand, str] = {}
        """What hands hold."""

    def see(self, objects: ObjectDetections, people: Sequence[SeenPerson], media_us: int) -> None:
        """Replace all objects by those found in a frame with these people."""
        self.objects, self._seen_us = objects, media_us
        self._held, self.in_hands = [], {}
        if not people:
            return
        boxes = np.stack([seen.tracked.box for seen in people])
        parts = PartBoxes(*(np.stack(arrays) for arrays in zip(*((p.boxes, p.scores, p.present) for p in people))))
        hands = hand_rows(self._parts)
        moving: set[int] = set()
        for seen, held in zip(people, objects_in_hands(boxes, parts, self._parts, objects), strict=True):
            for part, row in zip(hands, held.tolist(), strict=True):
                if row < 0:
                    continue
                hand = seen.tracked.track, part
                self.in_hands[hand] = objects.labels[row]
                if row not in moving:
                    moving.add(row)
                    self._held.append(_Held(row, hand, _centre(seen.boxes[part]), objects.boxes[row]))

    def follow(self, people: Sequence[SeenPerson], media_us: int, size: tuple[int, int]) -> None:
        """Move held objects with their hands in a frame of `size` without a look."""
        if self._forget_after_us is not None and media_us - self._seen_us > self._forget_after_us:
            self.see(NO_OBJECTS, (), self._seen_us)
        if not self._held:
            return
        by_track = {seen.tracked.track: seen for seen in people}
        boxes = self.objects.boxes.copy()
        for held in self._held:
            track, part = held.hand
            seen = by_track.get(track)
            if seen is not None and seen.present[part]:
                moved = held.box + np.tile(_centre(seen.boxes[part]) - held.centre, 2)
                boxes[held.row] = np.clip(moved, 0, np.tile(np.array(size, np.float32), 2))
        self.objects = replace(self.objects, boxes=boxes)


def _centre(box: NDArray[np.float32]) -> NDArray[np.float32]:
    return (box[:2] + box[2:]) * np.float32(0.5)


KEPT_SHARE = 0.6
"""Share of the least score that is enough for an object of the last look. In rooms, 77 % of the objects of a look were
then seen again a second later, with the full score 59 % (127 looks)."""
SAME_PLACE = 0.3
"""IoU from which two boxes of one class in successive looks are the same object."""
WHOLE_PERSON = 0.5
BODY_PART = 0.35
"""IoU from which an object is that person or part: people who lie are taken for dogs, shoes for skateboards and heads
for suitcases."""
BALL = "sports ball"
MOST_OBJECTS = 16
"""Objects of a frame. A shelf has dozens of books."""


def plausible_objects(
    found: ObjectDetections,
    before: ObjectDetections,
    people: Sequence[SeenPerson],
    parts: tuple[str, ...],
    min_score: float,
) -> ObjectDetections:
    """Return the best of the objects that score enough and are not a person or a part of one.

    `before`: the objects of the look before, where they are now. `people`: those of the frame, with their parts in the
    order of the names `parts`; all boxes are in the same pixels. An object in a hand overlaps it, and a ball a foot.
    """
    good = found.scores >= min_score
    if len(before.scores):
        same = np.array([[label == other for other in before.labels] for label in found.labels], bool)
        same = same.reshape(len(found.labels), len(before.labels)) & (iou(found.boxes, before.boxes) >= SAME_PLACE)
        good |= (found.scores >= KEPT_SHARE * min_score) & same.any(1)
    body = np.array(["hand" not in name for name in parts])
    not_feet = body & np.array(["foot" not in name for name in parts])
    balls = np.array([label == BALL for label in found.labels], bool)
    for seen in people:
        overlap = np.where(seen.present, iou(found.boxes, seen.boxes), 0)  # [m, parts]
        person = iou(found.boxes, seen.tracked.box[None])[:, 0] >= WHOLE_PERSON
        part = np.where(balls[:, None], not_feet, body) & (overlap >= BODY_PART)
        good &= ~(person | part.any(1))
    return found.rows(np.flatnonzero(good)[:MOST_OBJECTS])
