"""Which of a detector's classes is what, and its boxes sorted by that."""

from __future__ import annotations

import pytest
import torch

from stages.detection.detector import DetectorError
from stages.detection.region_classes import RegionClasses, RegionLayout, kinds_of, sort_regions

PARTS = ("head", "hip")


def test_classes_are_found_in_any_order_and_parts_come_in_the_vocabularys() -> None:
    classes = RegionClasses.of(("ball", "hip", "person", "head", "cup"), PARTS)
    assert (classes.person, classes.parts, classes.objects) == (2, (3, 1), (0, 4))
    assert kinds_of(classes) == [-1, 2, 0, 1, -1]


def test_a_detector_without_parts_leaves_them_to_keypoints() -> None:
    classes = RegionClasses.of(("person", "bicycle", "car"), PARTS)
    assert (classes.person, classes.parts, classes.objects) == (0, (), (1, 2))


def test_a_detector_that_knows_nobody_is_refused() -> None:
    with pytest.raises(DetectorError, match="no class `person` among bicycle, car"):
        RegionClasses.of(("bicycle", "car"), PARTS)


def test_a_detector_that_knows_some_parts_only_is_refused_by_their_names() -> None:
    with pytest.raises(DetectorError, match="knows head, but not hip"):
        RegionClasses.of(("person", "head"), PARTS)


def test_boxes_are_sorted_by_kind_best_first_and_the_rest_is_zeros() -> None:
    classes = RegionClasses.of(("ball", "hip", "person", "head"), PARTS)
    layout = RegionLayout(people=2, parts=2, each_part=1, objects=3)
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


def test_a_layout_may_ask_for_more_than_there_is() -> None:
    classes = RegionClasses.of(("person",), PARTS)
    layout = RegionLayout(people=5, parts=0, each_part=5, objects=4)
    packed = sort_regions(torch.tensor([[[1.0, 1, 2, 2, 0.9, 0]]]), torch.tensor(kinds_of(classes)), layout)
    assert packed.shape == (1, 9, 6)
    assert layout.parts_of(packed).shape == (1, 0, 5, 6)
    assert packed[0, 0, 4] > 0 and not packed[0, 1:].any()
