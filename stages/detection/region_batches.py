"""Detection of people, parts and objects in a batch: pictures of any mix of shapes, and one copy of the answers.

Owns nothing. `stages.detection.batched` does the same for detectors of keypoints; pictures of one shape go through the
detector together, whichever cameras they are from.
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
from stages.detection.finder import PictureGroup
from stages.detection.region_classes import RegionClasses, RegionLayout
from stages.detection.slot_pictures import pictures_by_shape
from stages.device.transfer import to_device, to_host


class FoundRegions(Protocol):
    """The regions of a batch's pictures."""

    @property
    def packed(self) -> Tensor:
        """float32 [B, layout.rows, 6] in input pixels."""
        ...

    @property
    def layout(self) -> RegionLayout:
        """What lies where in `packed`."""
        ...


class RegionDetector(Protocol):
    """Finds people, parts and objects; `stages.detection.cascade_rcnn.cascade_rcnn.CascadeRCNN` is one."""

    classes: RegionClasses

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        """The picture that the detector wants. Pure."""
        ...

    def __call__(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Any]:
        """uint8 [B, H, W, 3] RGB and float32 [B, 2] (width and height within it), on the device → feature maps by
        stride, and heads for `decode`."""
        ...

    def decode(self, heads: Any, max_people: int) -> FoundRegions:
        """The regions of each picture, of at most `max_people` people."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BatchRegions:
    """What was found in a batch. `rows`: frame index → float32 [layout.rows, 6] on the host, in input pixels; `groups`:
    the pictures of one shape, with their pixels and feature maps.
    """

    rows: dict[int, NDArray[np.float32]]
    layout: RegionLayout
    groups: list[PictureGroup]


def detect_regions(
    frames: Sequence[Lease], turns: Sequence[bool], detector: RegionDetector, max_people: int, device: torch.device
) -> BatchRegions:
    """Detect in those frames whose turn it is."""
    groups: list[PictureGroup] = []
    found: list[Tensor] = []
    layout = RegionLayout(0, 0, 0, 0)
    for indices, pictures in pictures_by_shape(frames, turns, device):
        content = np.array([frames[index].meta.format.content for index in indices], np.float32)
        maps, heads = detector(pictures, to_device(content, device))
        regions = detector.decode(heads, max_people)
        groups.append(PictureGroup(indices, pictures, maps))
        found.append(regions.packed)
        layout = regions.layout
    rows: dict[int, NDArray[np.float32]] = {}
    if found:
        # All pictures have as many rows, whatever their shape.
        order = [index for group in groups for index in group.frames]
        rows.update(zip(order, to_host(torch.cat(found)), strict=True))
    return BatchRegions(rows, layout, groups)
