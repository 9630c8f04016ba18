"""Part assignment against a search of all assignments in float64."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.detection.detections import PartBoxes
from stages.detection.region_detector import MIN_CONTAINED, assign_parts

Box = tuple[float, float, float, float]


def pair_value(person: Box, box: Box, score: float) -> float:
    width = max(0.0, min(person[2], box[2]) - max(person[0], box[0]))
    height = max(0.0, min(person[3], box[3]) - max(person[1], box[1]))
    contained = width * height / ((box[2] - box[0]) * (box[3] - box[1]))
    return contained * score if contained >= MIN_CONTAINED else 0.0


def best_total(people: list[Box], boxes: list[Box], scores: list[float]) -> float:
    """Return the greatest sum of any one-to-one assignment; a person may get no box."""
    columns = [*range(len(boxes)), *[-1] * len(people)]
    return max(
        sum(pair_value(person, boxes[column], scores[column]) for person, column in zip(people, order) if column >= 0)
        for order in permutations(columns, len(people))
    )


def assigned_total(people: list[Box], boxes: list[Box], scores: list[float], found: PartBoxes, part: int) -> float:
    """Return the sum of the assignment; check that boxes are unchanged and that each is assigned once."""
    assigned: list[int] = []
    total = 0.0
    for row, person in enumerate(people):
        if not found.present[row, part]:
            assert not found.boxes[row, part].any() and found.scores[row, part] == 0
            continue
        same = [
            column
            for column, (box, score) in enumerate(zip(boxes, scores))
            if tuple(found.boxes[row, part].tolist()) == box and found.scores[row, part] == score
        ]
        column = next(column for column in same if column not in assigned)
        assigned.append(column)
        value = pair_value(person, boxes[column], scores[column])
        assert value > 0
        total += value
    return total


coordinate = st.integers(0, 12)
box = st.builds(
    lambda x, y, w, h: (float(x), float(y), float(x + w), float(y + h)),
    coordinate, coordinate, st.integers(1, 8), st.integers(1, 8),
)  # fmt: skip
score = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])


@given(
    people=st.lists(box, max_size=4),
    parts=st.lists(st.lists(st.tuples(box, score), min_size=3, max_size=3), min_size=1, max_size=3),
)
def test_no_other_assignment_has_a_greater_total(people: list[Box], parts: list[list[tuple[Box, float]]]) -> None:
    boxes = np.array([[box for box, _ in part] for part in parts], np.float32)
    scores = np.array([[score for _, score in part] for part in parts], np.float32)
    found = assign_parts(np.array(people, np.float32).reshape(-1, 4), boxes, scores)
    assert found.boxes.shape == (len(people), len(parts), 4) and found.boxes.dtype == np.float32
    assert found.scores.shape == found.present.shape == (len(people), len(parts))
    for column, part in enumerate(parts):
        candidates = [box for box, _ in part], [score for _, score in part]
        total = assigned_total(people, *candidates, found, column)
        assert total == pytest.approx(best_total(people, *candidates), rel=1e-12)


def array(*rows: Box) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_a_head_within_two_people_goes_to_the_one_without_another_head() -> None:
    near, far = (0.0, 0.0, 10.0, 20.0), (5.0, 2.0, 9.0, 10.0)
    near_head, far_head = (1.0, 0.0, 4.0, 3.0), (6.0, 2.0, 8.0, 4.0)
    # Both heads are within the nearer person, and the other person's head scores better.
    found = assign_parts(array(near, far), array(far_head, near_head)[None], np.array([[0.9, 0.6]], np.float32))
    assert found.boxes[:, 0].tolist() == [list(near_head), list(far_head)]
    assert found.scores[:, 0].tolist() == pytest.approx([0.6, 0.9])


def test_a_part_mostly_outside_a_person_is_not_assigned() -> None:
    person = (0.0, 0.0, 10.0, 10.0)
    inside, outside = (8.0, 0.0, 12.0, 2.0), (8.0, 0.0, 12.5, 2.0)
    for part, present in ((inside, True), (outside, False)):
        found = assign_parts(array(person), array(part)[None], np.ones((1, 1), np.float32))
        assert found.present.tolist() == [[present]]
