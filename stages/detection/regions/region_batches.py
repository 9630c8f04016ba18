"""Detection of people, parts and objects in a batch of frames, with one copy of the detections to the host.

Pictures of one shape run through the network together. `stages.detection.keypoint_batches` does the same for networks
that detect keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import Lease, SlotFormat
from ring_buffers.transfer import to_device, to_host
from stages.detection.detections import PictureGroup, whole_area
from stages.detection.regions.region_classes import RegionClasses, RegionLayout
from stages.detection.views.slot_pictures import pictures_by_shape


class PackedRegions(Protocol):
    """The people, parts and objects of a batch of pictures."""

    @property
    def packed(self) -> Tensor:
        """float32 [B, layout.rows, 6] in input pixels."""
        ...

    @property
    def layout(self) -> RegionLayout:
        """The order of the rows of `packed`."""
        ...


class RegionNetwork(Protocol):
    """Detects people, parts and objects, as `stages.detection.cascade_rcnn.cascade_rcnn.CascadeRCNN` does."""

    classes: RegionClasses

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        """Return the format of the pictures that the network reads."""
        ...

    def __call__(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Any]:
        """Run on pictures uint8 [B, H, W, 3] RGB and their content float32 [B, 2] (width and height without padding).

        Both lie on the device. Returns feature maps by stride, and heads for `decode`.
        """
        ...

    def decode(self, heads: Any, max_people: int) -> PackedRegions:
        """Return the regions of each picture, with at most `max_people` people."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BatchRegions:
    """The detections of a batch: float32 `[layout.rows, 6]` in input pixels on the host by frame index, and the
    pictures with their maps.
    """

    rows: dict[int, NDArray[np.float32]]
    layout: RegionLayout
    groups: list[PictureGroup]


def detect_regions(
    frames: Sequence[Lease], due: Sequence[bool], network: RegionNetwork, max_people: int, device: torch.device
) -> BatchRegions:
    """Run the network on the frames that are `due`."""
    groups: list[PictureGroup] = []
    found: list[Tensor] = []
    layout = RegionLayout(0, 0, 0, 0)
    for indices, pictures in pictures_by_shape(frames, due, device):
        content = np.array([frames[index].meta.format.content for index in indices], np.float32)
        maps, heads = network(pictures, to_device(content, device))
        regions = network.decode(heads, max_people)
        areas = [whole_area(frames[index].meta) for index in indices]
        groups.append(PictureGroup(indices, pictures, maps, areas))
        found.append(regions.packed)
        layout = regions.layout
    rows: dict[int, NDArray[np.float32]] = {}
    if found:
        # All pictures have the same number of rows, whatever their shape.
        order = [index for group in groups for index in group.frames]
        rows.update(zip(order, to_host(torch.cat(found)), strict=True))
    return BatchRegions(rows, layout, groups)
