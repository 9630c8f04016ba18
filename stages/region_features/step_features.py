"""VGG features of the steps of a batch, for all frames and cameras in one call.

Absent parts are known on the host and are not computed: on average half of the parts are absent, and fc6 and fc7 are
most of a region's cost. Boxes are copied to the device once per picture group, without waiting for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta
from ring_buffers.transfer import bucket, to_device
from stages.heads.network import VisualInput
from stages.region_features.vgg_features import Crop, PictureRegions, VggFeatures


class SlotPictures(NamedTuple):
    """Pictures of one shape, in their slot format."""

    frames: Sequence[int]
    """Index in the batch of each picture's frame."""
    pixels: Tensor
    """uint8 [B, H, W, 3] RGB on the device, with padding beyond a frame's content."""


class StepBoxes(NamedTuple):
    """Boxes of the parts and the object of n people who make a step, in pixels of their sources."""

    frames: Sequence[int]
    """Index in the batch of each person's frame."""
    parts: NDArray[np.float32]
    """[n, P, 4]; boxes of absent parts are ignored."""
    present: NDArray[np.bool_]
    """[n, P]"""
    objects: NDArray[np.float32]
    """[n, 4]"""
    objects_present: NDArray[np.bool_]
    """[n]; the whole frame is used for people without an object."""


def object_regions_of(parts: int) -> tuple[int, ...]:
    """Return `NetworkConfig.object_regions` for networks that use these features."""
    return (0,) * parts


def step_features(
    boxes: StepBoxes,
    metas: Sequence[FrameMeta],
    pictures: Sequence[SlotPictures],
    extractor: VggFeatures,
    device: torch.device,
    crop: Crop | None = None,
) -> VisualInput:
    """Return `parts` float32 [rows, P, F] and `objects` [rows, 1, F] of n people, padded as `bucket` says.

    Absent parts and padded rows are zeros. `pictures` have the frames in which people make steps. In training, `crop`
    limits the scaled pictures. Raises `ValueError` if the picture of a frame is missing.
    """
    people, parts = boxes.present.shape
    rows = bucket(people)
    groups: list[PictureRegions] = []
    # The index of each row's regions. The region after the last one is zeros, for what is absent.
    region_of = np.full((rows, parts + 1), -1, np.int64)
    count = 0
    for frames, pixels in _pictures_by_content(pictures, metas, boxes.frames, device):
        regions = _Regions(frames, count)
        for person in (row for row in range(people) if boxes.frames[row] in frames):
            for part in np.flatnonzero(boxes.present[person]):
                region_of[person, part] = regions.add(boxes.frames[person], boxes.parts[person, part])
            object_box = boxes.objects[person] if boxes.objects_present[person] else None
            region_of[person, parts] = regions.add(boxes.frames[person], object_box)
        groups.append(regions.in_pictures(metas, pixels, device, crop))
        count = regions.next
    missing = sorted({frame for row, frame in enumerate(boxes.frames) if region_of[row, parts] < 0})
    if missing:
        raise ValueError(f"people make steps in frames {missing}, whose pictures are missing")
    features = extractor(groups)
    features = torch.cat((features, features.new_zeros(1, features.shape[1])))
    index = to_device(np.where(region_of < 0, count, region_of).ravel(), device)
    by_row = features.index_select(0, index).view(rows, parts + 1, -1)
    return VisualInput(by_row[:, :parts], by_row[:, parts:])


class _Regions:
    """The regions of one group of pictures, numbered from `first`."""

    def __init__(self, frames: Sequence[int], first: int) -> None:
        self.next = first
        self._picture_of = {frame: index for index, frame in enumerate(frames)}
        self._boxes: list[NDArray[np.float32] | None] = []
        self._frames: list[int] = []
        self._whole: dict[int, int] = {}

    def add(self, frame: int, box: NDArray[np.float32] | None) -> int:
        """Add a region of a frame and return its number. None is the whole frame, which is added only once."""
        if box is None and frame in self._whole:
            return self._whole[frame]
        number = self.next
        if box is None:
            self._whole[frame] = number
        self._boxes.append(box)
        self._frames.append(frame)
        self.next += 1
        return number

    def in_pictures(
        self, metas: Sequence[FrameMeta], pixels: Tensor, device: torch.device, crop: Crop | None
    ) -> PictureRegions:
        """Return the regions with boxes in pixels of the pictures."""
        packed = np.zeros((len(self._boxes), 5), np.float32)
        for row, (box, frame) in enumerate(zip(self._boxes, self._frames, strict=True)):
            size = np.array(metas[frame].size, np.float32)
            content = np.array(metas[frame].format.content, np.float32)
            corners = np.array((0, 0, *size), np.float32) if box is None else box
            packed[row, 0] = self._picture_of[frame]
            packed[row, 1:] = corners * np.tile(content / size, 2)
        rows = to_device(packed, device)
        return PictureRegions(pixels, rows[:, 1:], rows[:, 0].long(), crop)


def _pictures_by_content(
    pictures: Sequence[SlotPictures], metas: Sequence[FrameMeta], needed: Sequence[int], device: torch.device
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield the pictures of the `needed` frames, without padding: frames, and uint8 [B, height, width, 3].

    Pictures in slots of one shape are divided by the size of their content.
    """
    needed_frames = set(needed)
    for frames, pixels in pictures:
        by_content: dict[tuple[int, int], list[int]] = {}
        for index, frame in enumerate(frames):
            if frame in needed_frames:
                by_content.setdefault(metas[frame].format.content, []).append(index)
        for (width, height), indices in by_content.items():
            selected = pixels
            if len(indices) < len(frames):
                selected = pixels.index_select(0, to_device(np.array(indices, np.int64), device))
            yield [frames[index] for index in indices], selected[:, :height, :width]
