"""A detector's classes sorted into person, parts and objects, and its boxes sorted accordingly."""

from __future__ import annotations

import pytest
import torch

from stages.detection.detections import DetectorError
from stages.detection.region_detector import RegionClasses, RegionLayout, kinds_of, sort_regions

PARTS = ("head", "hip")


def test_classes_may_come_in_any_order_and_parts_follow_the_vocabulary() -> None:
    classes = RegionClasses.of(("ball", "hip", "person", "head", "cup"), PARTS)
    assert (classes.person, classes.parts, classes.objects) == (2, (3, 1), (0, 4))
    assert kinds_of(classes) == [-1, 2, 0, 1, -1]


def test_a_detector_without_a_person_class_is_rejected() -> None:
    with pytest.raises(DetectorError, match="no class `person`; its classes are bicycle, car"):
        RegionClasses.of(("bicycle", "car"), PARTS)


def test_a_detector_with_only_some_parts_is_rejected_with_their_names() -> None:
    with pytest.raises(DetectorError, match="has classes for head, but not for hip"):
        RegionClasses.of(("person", "head"), PARTS)


def test_boxes_are_sorted_by_kind_and_score_and_unused_rows_are_zero() -> None:
    classes = RegionClasses.of(("ball", "hip", "person", "head"), PARTS)
    layout = RegionLayout(people=2, parts=2, per_part=1, objects=3)
    boxes = torch.tensor(
        [
            [[1.0, 1, 2, 2, 0.9, 2], [2.0, 1, 2, 2, 0.8, 3], [3.0, 1, 2, 2, 0.7, 2], [4.0, 1, 2, 2, 0.6, 2]],
            [[5.0, 1, 2, 2, 0.2, 0], [6.0, 1, 2, 2, 0.3, 1], [7.0, 1, 2, 2, 0.4, 0], [8.0, 1, 2, 2, 0.0, 2]],
        ]
    )
    packed = sort_regions(boxes, torch.tensor(kinds_of(classes)), layout)
    assert packed.shape == (2, layout.rows, 6)
    assert layout.people_of(packed)[..., 0].tolist() == [[1, 3], [0, 0]]
    assert layout.parts_of(packed)[..., 0].tolist() == [[[2], [0]], [[0], [6]]]
    assert layout.objects_of(packed)[..., 0].tolist() == [[0, 0, 0], [7, 5, 0]]
    assert not layout.people_of(packed)[1].any()
    on_host = packed.numpy()
    assert layout.parts_of(on_host)[0, 0, 0].tolist() == boxes[0, 1].tolist()
