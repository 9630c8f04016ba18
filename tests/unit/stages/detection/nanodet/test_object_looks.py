"""From NanoDet's rows of a region to objects of the frame."""

from __future__ import annotations

import numpy as np

from ring_buffers.frames import FrameMeta, SlotFormat
from stages.detection.nanodet.class_names import CLASS_NAMES
from stages.detection.nanodet.nanodet import objects_of
from stages.looks import Region

CUP, BOTTLE, PERSON = (CLASS_NAMES.index(name) for name in ("cup", "bottle", "person"))
REGION = Region(100, 40, 208)
"""Seen at twice its size."""


def meta(size: tuple[int, int], format: SlotFormat) -> FrameMeta:
    return FrameMeta("hall", 1, 0, 0, 0, "media", 0, 0, size, format)


PLANES = meta((1280, 960), SlotFormat("planes", (640, 480), (640, 480)))
"""The stream has become smaller since the epoch's first picture."""


def rows(*found: tuple[float, ...]) -> np.ndarray:
    return np.array([*found, (0,) * 6], np.float32)


def test_boxes_are_in_pixels_of_the_epochs_first_picture() -> None:
    found = objects_of(rows((20, 40, 60, 80, 0.7, CUP)), REGION, PLANES)
    assert found.labels == ("cup",) and found.boxes.tolist() == [[220, 120, 260, 160]]
    assert np.allclose(found.scores, 0.7)


def test_the_padding_of_a_slot_of_rgb_is_no_part_of_the_picture() -> None:
    padded = meta((600, 300), SlotFormat("rgb24", (320, 160), (300, 150)))
    found = objects_of(rows((0, 0, 416, 416, 0.7, CUP)), Region(0, 0, 300), padded)
    assert found.boxes.tolist() == [[0, 0, 600, 300]]


def test_people_are_left_out_and_one_box_has_one_class() -> None:
    here, there = (20, 40, 60, 80), (200, 40, 260, 80)
    found = objects_of(
        rows((*there, 0.9, PERSON), (*here, 0.8, CUP), (*there, 0.7, BOTTLE), (21, 40, 61, 81, 0.6, BOTTLE)),
        REGION,
        PLANES,
    )
    assert found.labels == ("cup", "bottle") and np.allclose(found.scores, (0.8, 0.7))
    assert objects_of(rows(), REGION, PLANES).labels == ()
