"""Detection of regions in batches of frames from several cameras."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.detection import region_detector
from stages.detection.cascade_rcnn.cascade_rcnn import PackedRegions
from stages.detection.region_detector import RegionClasses, RegionLayout, detect_regions

CPU = torch.device("cpu")


class Brightness:
    """A detector that finds one person with the size and brightness of the picture, and records its batches."""

    classes = RegionClasses.of(("person",), ())

    def __init__(self) -> None:
        self.batches: list[tuple[tuple[int, ...], list[list[float]]]] = []

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        return SlotFormat("rgb24", source_size, source_size)

    def __call__(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        self.batches.append((tuple(pictures.shape), content.tolist()))
        bright = pictures.float().amax((1, 2, 3))
        heads = torch.cat((torch.zeros(len(pictures), 2), content, bright[:, None], torch.zeros(len(pictures), 1)), 1)
        return {4: bright}, heads

    def decode(self, heads: Tensor, max_people: int) -> PackedRegions:
        rows = torch.zeros(len(heads), max_people + 1, 6)
        rows[:, 0] = heads
        return PackedRegions(rows, RegionLayout(max_people, 0, 0, 1))


def frame(brightness: int, size: tuple[int, int] = (64, 32), content: tuple[int, int] = (60, 30)) -> Lease:
    format = SlotFormat("rgb24", size, content)
    meta = FrameMeta("camera", 1, 0, 0, 0, "media", 0, 0, (640, 320), format)
    return Lease(meta, np.full(format.shape, brightness, np.uint8), 0)


def test_pictures_of_one_shape_form_a_batch_and_detections_come_by_frame() -> None:
    detector = Brightness()
    frames = [frame(10), frame(20, (32, 32), (32, 32)), frame(30, content=(64, 32)), frame(40, (32, 32), (32, 30))]
    found = detect_regions(frames, [True] * 4, detector, 3, CPU)
    assert detector.batches == [
        ((2, 32, 64, 3), [[60.0, 30.0], [64.0, 32.0]]),
        ((2, 32, 32, 3), [[32.0, 32.0], [32.0, 30.0]]),
    ]
    assert {index: rows[0, 2:5].tolist() for index, rows in found.rows.items()} == {
        0: [60, 30, 10], 1: [32, 32, 20], 2: [64, 32, 30], 3: [32, 30, 40],
    }  # fmt: skip
    assert all(isinstance(rows, np.ndarray) and rows.shape == (4, 6) for rows in found.rows.values())
    assert [group.frames for group in found.groups] == [[0, 2], [1, 3]]
    assert [group.maps[4].tolist() for group in found.groups] == [[10, 30], [20, 40]]
    assert found.layout.people_of(found.rows[3]).shape == (3, 6)


def test_one_copy_moves_the_detections_of_all_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[Tensor] = []
    copy = region_detector.to_host
    monkeypatch.setattr(region_detector, "to_host", lambda tensor: (copies.append(tensor), copy(tensor))[1])
    detect_regions([frame(10), frame(20, (32, 32), (32, 32))], [True, True], Brightness(), 2, CPU)
    assert len(copies) == 1
