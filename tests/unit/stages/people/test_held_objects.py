"""Which object each hand holds. What a person holds for the action model is in tests/parity/test_region_pipeline.py."""

from __future__ import annotations

import numpy as np

from stages.detection.detections import ObjectDetections, PartBoxes
from stages.people.objects import objects_in_hands
from stages.vocabulary import PARTS

Box = tuple[float, float, float, float]
LEFT, RIGHT = (0, 0, 10, 10), (90, 0, 100, 10)
"""Hands, whose centres are at 5, 5 and 95, 5."""


def in_hands(*named: tuple[str, Box], hands: tuple[tuple[Box | None, Box | None], ...] = ((LEFT, RIGHT),)) -> list:
    """Return the object in the left and the right hand of each person, who is 100 tall."""
    boxes, present = np.zeros((len(hands), 10, 4), np.float32), np.zeros((len(hands), 10), bool)
    for who, pair in enumerate(hands):
        for name, box in zip(("left_hand", "right_hand"), pair):
            if box is not None:
                boxes[who, PARTS.index(name)], present[who, PARTS.index(name)] = box, True
    people = np.array([(0, 0, 100, 100)] * len(hands), np.float32)
    parts = PartBoxes(boxes, present.astype(np.float32), present)
    things = np.array([box for _, box in named], np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, len(named), dtype=np.float32)
    held = objects_in_hands(people, parts, PARTS, ObjectDetections(things, scores, tuple(name for name, _ in named)))
    return [[None if row < 0 else named[row][0] for row in pair] for pair in held]


def test_a_hand_holds_the_nearest_object_within_a_tenth_of_the_stature() -> None:
    assert in_hands(("cup", (14.9, 0, 20, 10))) == [["cup", None]]
    assert in_hands(("cup", (15.1, 0, 20, 10))) == [[None, None]]
    assert in_hands(("cup", (14, 0, 20, 10)), ("book", (8, 0, 20, 10))) == [["book", None]]
    assert in_hands(("cup", (2, 0, 20, 10)), ("book", (82, 0, 94, 10))) == [["cup", "book"]]


def test_both_hands_hold_what_contains_them_and_otherwise_only_the_nearer_one() -> None:
    near = (12, 0, 22, 10)
    assert in_hands(("ball", (3, 0, 20, 10)), hands=((LEFT, near),)) == [["ball", "ball"]]
    assert in_hands(("ball", (3, 0, 12, 10)), hands=((LEFT, near),)) == [["ball", None]]


def test_of_two_people_the_nearer_one_holds_an_object() -> None:
    assert in_hands(("cup", (12, 0, 20, 10)), hands=((LEFT, None), ((18, 0, 32, 10), None))) == [
        [None, None],
        ["cup", None],
    ]
