"""Step features: from the steps of a batch to their VGG features, all frames and cameras in one call. Owns nothing.

What there is to look at is known on the host, so that absent parts cost nothing: on average half of them can't be seen,
and fc6 and fc7 are most of a region's price. Boxes go to the device in one copy a picture group, and nothing waits for
the device.
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
from stages.region_features.picture_scaling import Crop
from stages.region_features.vgg_features import PictureRegions, VggFeatures


class SlotPictures(NamedTuple):
    """Pictures of one shape, as their slots hold them: `frames` says which frame of the batch each is; `pixels` uint8
    [B, H, W, 3] RGB on the device, what lies beyond a frame's content being padding."""

    frames: Sequence[int]
    pixels: Tensor


class StepBoxes(NamedTuple):
    """Where n people who step have their parts, and the object that each acts on; pixels of their frames' sizes."""

    frames: Sequence[int]
    """Which frame of the batch each person is in."""
    parts: NDArray[np.float32]
    """[n, P, 4]; what an absent part's box holds isn't read."""
    present: NDArray[np.bool_]
    """[n, P]"""
    objects: NDArray[np.float32]
    """[n, 4]"""
    objects_present: NDArray[np.bool_]
    """[n]; without an object, the whole frame stands in."""


OBJECT_REGIONS = 1
"""A person's object, or the whole frame: every part looks at it (`object_regions_of`)."""


def object_regions_of(parts: int) -> tuple[int, ...]:
    """`NetworkConfig.object_regions` for networks that read these features."""
    return (0,) * parts


def step_features(
    boxes: StepBoxes,
    metas: Sequence[FrameMeta],
    pictures: Sequence[SlotPictures],
    extractor: VggFeatures,
    device: torch.device,
    crop: Crop | None = None,
) -> VisualInput:
    """`parts` float32 [rows, P, F] and `objects` [rows, 1, F] for n people padded to the rows that the network reads;
    zeros for absent parts and padded rows. `pictures` hold the frames in which people step; `crop`, in training: only
    that much of each of them is seen, once it is scaled. Raises `ValueError` for a frame that they lack.
    """
    people, parts = boxes.present.shape
    rows = bucket(people)
    groups: list[PictureRegions] = []
    # Which region each row shows; the region after the last one is zeros.
    shown = np.full((rows, parts + 1), -1, np.int64)
    regions = 0
    for frames, pixels in _pictures_of_one_content(pictures, metas, boxes.frames, device):
        found = _Regions(frames, regions)
        for person in (row for row in range(people) if boxes.frames[row] in frames):
            for part in np.flatnonzero(boxes.present[person]):
                shown[person, part] = found.add(boxes.frames[person], boxes.parts[person, part])
            thing = boxes.objects[person] if boxes.objects_present[person] else None
            shown[person, parts] = found.add(boxes.frames[person], thing)
        groups.append(found.of(metas, pixels, device, crop))
        regions = found.next
    lacking = sorted({frame for row, frame in enumerate(boxes.frames) if shown[row, parts] < 0})
    if lacking:
        raise ValueError(f"people step in frames {lacking}, of which no pictures were given")
    features = extractor(groups)
    features = torch.cat((features, features.new_zeros(1, features.shape[1])))
    index = to_device(np.where(shown < 0, regions, shown).ravel(), device)
    found_rows = features.index_select(0, index).view(rows, parts + 1, -1)
    return VisualInput(found_rows[:, :parts], found_rows[:, parts:])


class _Regions:
    """The regions of one group's pictures, numbered on from `first`."""

    def __init__(self, frames: Sequence[int], first: int) -> None:
        self.next = first
        self._place = {frame: place for place, frame in enumerate(frames)}
        self._boxes: list[NDArray[np.float32] | None] = []
        self._frames: list[int] = []
        self._whole: dict[int, int] = {}

    def add(self, frame: int, box: NDArray[np.float32] | None) -> int:
        """The number of a region of a frame; None is all of it, which is looked at once."""
        if box is None and frame in self._whole:
            return self._whole[frame]
        number = self.next
        if box is None:
            self._whole[frame] = number
        self._boxes.append(box)
        self._frames.append(frame)
        self.next += 1
        return number

    def of(self, metas: Sequence[FrameMeta], pixels: Tensor, device: torch.device, crop: Crop | None) -> PictureRegions:
        """With boxes in pixels of the pictures."""
        packed = np.zeros((len(self._boxes), 5), np.float32)
        for row, (box, frame) in enumerate(zip(self._boxes, self._frames, strict=True)):
            size = np.array(metas[frame].size, np.float32)
            content = np.array(metas[frame].format.content, np.float32)
            corners = np.array((0, 0, *size), np.float32) if box is None else box
            packed[row, 0] = self._place[frame]
            packed[row, 1:] = corners * np.tile(content / size, 2)
        there = to_device(packed, device)
        return PictureRegions(pixels, there[:, 1:], there[:, 0].long(), crop)


def _pictures_of_one_content(
    pictures: Sequence[SlotPictures], metas: Sequence[FrameMeta], wanted: Sequence[int], device: torch.device
) -> Iterator[tuple[list[int], Tensor]]:
    """The pictures in which people step, without padding: frames, and uint8 [B, height, width, 3]. Slots of one shape
    may hold pictures of several; each of them makes a group."""
    needed = set(wanted)
    for frames, pixels in pictures:
        places: dict[tuple[int, int], list[int]] = {}
        for place, frame in enumerate(frames):
            if frame in needed:
                places.setdefault(metas[frame].format.content, []).append(place)
        for (width, height), some in places.items():
            taken = pixels
            if len(some) < len(frames):
                taken = pixels.index_select(0, to_device(np.array(some, np.int64), device))
            yield [frames[place] for place in some], taken[:, :height, :width]
