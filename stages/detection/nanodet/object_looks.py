"""Looks for objects: NanoDet in a region of some frames of a batch, with one copy of the objects to the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.transfer import to_host
from stages.detection.detections import ObjectDetections
from stages.detection.nanodet.class_names import CLASS_NAMES
from stages.detection.nanodet.nanodet import TRAINED_SIDE
from stages.detection.suppression import nms_mask
from stages.detection.views.slot_pictures import region_pictures
from stages.looks import Look, Region

PERSON = CLASS_NAMES.index("person")
SAME_OBJECT = 0.6
"""IoU above which two boxes are one object, whatever their classes: the class with the best score is taken."""


class PackedObjects(Protocol):
    """The objects and people of a batch of pictures, best first."""

    @property
    def packed(self) -> Tensor:
        """float32 `[B, K, 6]`: x1, y1, x2, y2 in input pixels, score, class; rows of zeros for none."""
        ...


class ObjectNetwork(Protocol):
    """Detects objects of COCO's classes, as `stages.detection.nanodet.nanodet.NanoDet` does."""

    def __call__(self, pictures: Tensor) -> Any:
        """Run on uint8 `[B, H, W, 3]` RGB on the device; return heads for `decode`."""
        ...

    def decode(self, heads: Any) -> PackedObjects:
        """Return the objects of each picture."""
        ...


class ObjectFinder:
    """Looks for objects where looks say so."""

    def __init__(self, network: ObjectNetwork, device: torch.device | str = "cpu") -> None:
        """`network` must be on `device`."""
        self.network = network
        self._device = torch.device(device)

    def find(self, frames: Sequence[Lease], looks: Sequence[Look]) -> dict[int, ObjectDetections]:
        """Return the objects, by frame index, of the frames in which objects are looked for."""
        regions = [(index, look.objects) for index, look in enumerate(looks) if look.objects is not None]
        if not regions:
            return {}
        rows = self._run(region_pictures(frames, regions, self._device, TRAINED_SIDE))
        return {
            index: objects_of(found, region, frames[index].meta)
            for (index, region), found in zip(regions, rows, strict=True)
        }

    def warm_up(self, count: int) -> None:
        """Run on `count` blank pictures."""
        self._run(torch.zeros(count, TRAINED_SIDE, TRAINED_SIDE, 3, dtype=torch.uint8, device=self._device))

    def _run(self, pictures: Tensor) -> NDArray[np.float32]:
        return to_host(self.network.decode(self.network(pictures)).packed)


def objects_of(rows: NDArray[np.float32], region: Region, meta: FrameMeta) -> ObjectDetections:
    """Return the objects of a region from rows `[K, 6]`, in pixels of the epoch's first picture."""
    rows = rows[(rows[:, 4] > 0) & (rows[:, 5] != PERSON)]
    boxes, scores = torch.from_numpy(rows[None, :, :4]), torch.from_numpy(rows[None, :, 4])
    rows = rows[nms_mask(boxes, scores, SAME_OBJECT, fixed=False)[0].numpy()]
    offset = np.array((region.left, region.top), np.float32)
    scale = np.array(meta.size, np.float32) / np.array(meta.format.picture_size, np.float32)
    boxes = (rows[:, :4] * np.float32(region.side / TRAINED_SIDE) + np.tile(offset, 2)) * np.tile(scale, 2)
    # What the network sees below and to the right of the picture is black.
    boxes = np.minimum(boxes, np.tile(np.array(meta.size, np.float32), 2))
    return ObjectDetections(boxes, rows[:, 4], tuple(CLASS_NAMES[int(label)] for label in rows[:, 5]))
