"""Objects between two looks for objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ring_buffers.state_bank import TrackKey
from stages.detection.detections import ObjectDetections
from stages.people.objects import ObjectMemory
from stages.people.people import Person, SeenPerson
from stages.people.smoothing import SmoothingConfig
from stages.people.tracking import TrackedPerson
from stages.vocabulary import PARTS, packaged

SIZE = (640, 480)
HAND, CUP, CHAIR = (100, 100, 120, 120), (118, 100, 130, 120), (300, 300, 400, 400)
RIGHT_HAND = PARTS.index("right_hand")


def person(track: int, hand: tuple[int, ...] | None, box: tuple[int, ...] = (60, 20, 160, 320)) -> SeenPerson:
    """A person whose only part is the right hand; None if it is not visible."""
    boxes, present = np.zeros((len(PARTS), 4), np.float32), np.zeros(len(PARTS), bool)
    if hand is not None:
        boxes[RIGHT_HAND], present[RIGHT_HAND] = hand, True
    tracked = TrackedPerson(track, np.array(box, np.float32), 0.9, 0)
    someone = Person(TrackKey("hall", 1, track), packaged("edge"), SmoothingConfig())
    return SeenPerson(someone, tracked, boxes, present.astype(np.float32), present, None)


def objects(*named: tuple[str, tuple[int, ...]]) -> ObjectDetections:
    boxes = np.array([box for _, box in named], np.float32).reshape(-1, 4)
    return ObjectDetections(boxes, np.full(len(named), 0.6, np.float32), tuple(label for label, _ in named))


def remembered(*, forget_after_us: int | None = None, people: Sequence[SeenPerson] | None = None) -> ObjectMemory:
    memory = ObjectMemory(PARTS, forget_after_us)
    memory.see(objects(("cup", CUP), ("chair", CHAIR)), people or [person(1, HAND)], 0)
    return memory


def test_a_cup_in_a_hand_moves_with_it_and_a_chair_keeps_still() -> None:
    memory = remembered()
    assert memory.in_hands == {(1, RIGHT_HAND): "cup"}
    for shift in (10, 25, -5):
        memory.follow([person(1, (100 + shift, 100 - shift, 120 + shift, 120 - shift))], shift, SIZE)
        assert memory.objects.boxes.tolist() == [[118 + shift, 100 - shift, 130 + shift, 120 - shift], list(CHAIR)]
    assert memory.in_hands == {(1, RIGHT_HAND): "cup"}


@pytest.mark.parametrize(("forget_after_us", "left"), [(3_000_000, 0), (None, 2)])
def test_objects_are_forgotten_after_a_time_without_a_look(forget_after_us: int | None, left: int) -> None:
    memory = remembered(forget_after_us=forget_after_us)
    memory.follow([person(1, HAND)], 3_000_000, SIZE)
    assert len(memory.objects.labels) == 2
    memory.follow([person(1, HAND)], 3_000_001, SIZE)
    assert len(memory.objects.labels) == left and bool(memory.in_hands) == bool(left)
