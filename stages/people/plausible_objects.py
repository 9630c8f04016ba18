"""Which of the objects that NanoDet finds near people are published."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.detection.box_overlap import iou
from stages.detection.detections import ObjectDetections
from stages.people.people import SeenPerson

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
