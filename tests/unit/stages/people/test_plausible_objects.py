"""Which of the objects that are found near people are published."""

from __future__ import annotations

import numpy as np
import pytest

from ring_buffers.state_bank import TrackKey
from stages.detection.detections import NO_OBJECTS, ObjectDetections
from stages.people.objects import MOST_OBJECTS, plausible_objects
from stages.people.people import Person, SeenPerson
from stages.people.smoothing import SmoothingConfig
from stages.people.tracking import TrackedPerson
from stages.vocabulary import PARTS, packaged

Box = tuple[float, float, float, float]
SOMEWHERE: Box = (400, 300, 440, 340)
PART_BOXES: dict[str, Box] = {
    "head": (40, 0, 60, 20), "right_hand": (0, 50, 10, 60), "left_foot": (50, 180, 70, 200)
}  # fmt: skip


def someone() -> SeenPerson:
    boxes, present = np.zeros((len(PARTS), 4), np.float32), np.zeros(len(PARTS), bool)
    for name, box in PART_BOXES.items():
        boxes[PARTS.index(name)], present[PARTS.index(name)] = box, True
    person = Person(TrackKey("hall", 1, 1), packaged("edge"), SmoothingConfig())
    tracked = TrackedPerson(1, np.array((0, 0, 100, 200), np.float32), 0.9, 0)
    return SeenPerson(person, tracked, boxes, present.astype(np.float32), present, None)


def found(*named: tuple[str, Box, float]) -> ObjectDetections:
    boxes = np.array([box for _, box, _ in named], np.float32).reshape(-1, 4)
    scores = np.array([score for *_, score in named], np.float32)
    return ObjectDetections(boxes, scores, tuple(label for label, *_ in named))


def published(now: ObjectDetections, before: ObjectDetections = NO_OBJECTS) -> tuple[str, ...]:
    return plausible_objects(now, before, [someone()], PARTS, 0.5).labels


def test_an_object_of_the_last_look_needs_a_lower_score_than_a_new_one() -> None:
    moved = (410, 300, 450, 340)
    assert published(found(("cup", SOMEWHERE, 0.5))) == ("cup",)
    assert published(found(("cup", SOMEWHERE, 0.4))) == ()
    assert published(found(("cup", moved, 0.4)), found(("cup", SOMEWHERE, 0.6))) == ("cup",)
    assert published(found(("cup", moved, 0.29)), found(("cup", SOMEWHERE, 0.6))) == ()
    assert published(found(("cup", moved, 0.4)), found(("bottle", SOMEWHERE, 0.6))) == ()
    assert published(found(("cup", (430, 300, 470, 340), 0.4)), found(("cup", SOMEWHERE, 0.6))) == ()
    assert published(found(), found(("cup", SOMEWHERE, 0.6))) == ()


@pytest.mark.parametrize(
    ("label", "box", "stays"),
    [
        ("dog", (10, 20, 100, 190), False),
        ("handbag", (60, 60, 110, 160), True),
        ("skateboard", PART_BOXES["left_foot"], False),
        ("sports ball", PART_BOXES["left_foot"], True),
        ("suitcase", PART_BOXES["head"], False),
        ("sports ball", PART_BOXES["head"], False),
        ("cup", PART_BOXES["right_hand"], True),
    ],
)
def test_what_coincides_with_a_person_or_part_is_that_but_a_hand_may_hold_and_a_foot_kick(
    label: str, box: Box, stays: bool
) -> None:
    assert published(found((label, box, 0.9))) == ((label,) if stays else ())


def test_of_many_objects_the_best_are_published() -> None:
    books = [("book", (float(20 * n), 300.0, 20.0 * n + 15, 340.0), 0.9 - n / 100) for n in range(30)]
    many = plausible_objects(found(*books), NO_OBJECTS, [], PARTS, 0.5)
    assert many.scores.tolist() == found(*books).scores[:MOST_OBJECTS].tolist()
