"""Detection of people and keypoints in a batch of frames, with one copy of the detections to the host.

Pictures of one shape run through the network together. `stages.detection.region_detector` does the same for
networks that detect people, parts and objects.

Regions overlap, so that a person may be found twice, or in one of them only in part. A person cut by a region's edge is
left to a region that has them whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.transfer import to_host
from stages.detection.detections import Area, PictureGroup, epoch_scale, share_inside, whole_area
from stages.detection.movenet import keypoint_decoding as decoding
from stages.detection.views.slot_pictures import pictures_by_shape, region_content, region_pictures
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.looks import REGION_SIDE, Look, Region

DETECTION_WIDTH = 56
"""Box (4), score, then x, y, score of 17 keypoints."""


class PackedPeople(Protocol):
    """The people of a batch of pictures, best first."""

    @property
    def packed(self) -> Tensor:
        """float32 `[B, K, 56]` in input pixels; rows without a person score 0."""
        ...


class KeypointNetwork(Protocol):
    """Detects people and their keypoints, as `stages.detection.movenet.movenet.MoveNet` does."""

    def __call__(self, pictures: Tensor) -> tuple[dict[int, Tensor], Any]:
        """Run on uint8 `[B, H, W, 3]` RGB on the device; return feature maps by stride, and heads for `decode`."""
        ...

    def decode(self, heads: Any, max_people: int) -> PackedPeople:
        """Return at most `max_people` people of each picture."""
        ...


@runtime_checkable
class SideBySide(Protocol):
    """A keypoint network that can compute several batches side by side."""

    def each(self, batches: Sequence[Tensor]) -> Iterator[tuple[dict[int, Tensor], Any]]:
        """Yield what the network returns for each batch."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BatchKeypoints:
    """The detections of a batch, and the pictures with their maps.

    `people`: float32 `[n, 56]` on the host by frame index, in pixels of the epoch's first picture.
    """

    people: dict[int, NDArray[np.float32]]
    groups: list[PictureGroup]


def detect_keypoints(
    frames: Sequence[Lease], looks: Sequence[Look], network: KeypointNetwork, max_people: int, device: torch.device
) -> BatchKeypoints:
    """Run the network on what the `looks` ask for. Frames with regions must have slots of planes."""
    shown: list[tuple[list[int], Tensor, list[Area]]] = []
    for indices, pictures in pictures_by_shape(frames, [look.whole for look in looks], device):
        shown.append((indices, pictures, [whole_area(frames[index].meta) for index in indices]))
    by_shape: defaultdict[tuple[int, int], list[tuple[int, Region]]] = defaultdict(list)
    for index, look in enumerate(looks):
        for region in look.regions:
            by_shape[region.seen()].append((index, region))
    for shape, regions in by_shape.items():
        areas = [_area(region, frames[index].meta) for index, region in regions]
        pictures = region_pictures(frames, regions, device, shape=shape)
        shown.append(([index for index, _ in regions], pictures, areas))
    batches = [pictures for _, pictures, _ in shown]
    groups: list[PictureGroup] = []
    packed: list[Tensor] = []
    computed = network.each(batches) if isinstance(network, SideBySide) else map(network, batches)
    for (indices, pictures, areas), (maps, heads) in zip(shown, computed, strict=True):
        groups.append(PictureGroup(indices, pictures, maps, areas))
        packed.append(network.decode(heads, max_people).packed)
    people: dict[int, NDArray[np.float32]] = {}
    if not packed:
        return BatchKeypoints(people, groups)
    host = to_host(torch.cat([tensor.flatten() for tensor in packed]))
    start = 0
    found: defaultdict[int, list[NDArray[np.float32]]] = defaultdict(list)
    for tensor, group in zip(packed, groups, strict=True):
        pictures = host[start : start + tensor.numel()].reshape(tensor.shape)
        start += tensor.numel()
        for index, rows in zip(group.frames, pictures, strict=True):
            found[index].append(rows)
    regions_of: defaultdict[int, list[Region]] = defaultdict(list)
    for index, region in (one for regions in by_shape.values() for one in regions):
        regions_of[index].append(region)
    for index, pictures in found.items():
        look, meta = looks[index], frames[index].meta
        rows = pictures[0] if look.whole else merged_people(pictures, regions_of[index], meta.format.size, max_people)
        people[index] = in_epoch_pixels(rows, look, meta)
    return BatchKeypoints(people, groups)


def in_epoch_pixels(rows: NDArray[np.float32], look: Look, meta: FrameMeta) -> NDArray[np.float32]:
    """Return rows `[n, 56]` in pixels of the epoch's first picture.

    They are in pixels of the detector's picture if that is whole, else in those of the slot's planes.
    """
    scale = (
        epoch_scale(meta) if look.whole else np.array(meta.size, np.float32) / np.array(meta.format.size, np.float32)
    )
    scaled = rows.copy()
    scaled[:, :4] *= np.tile(scale, 2)
    scaled[:, 5:].reshape(len(rows), KEYPOINTS, 3)[..., :2] *= scale
    return scaled


def _area(region: Region, meta: FrameMeta) -> Area:
    """Return what the detector's picture of a region shows."""
    (across, down), (width, height) = meta.size, meta.format.size
    x, y = across / width, down / height
    scale = REGION_SIDE / region.side
    return Area((region.left * x, region.top * y), (scale / x, scale / y), region_content(region, meta.format.size))


EDGE = 4.0
"""A box that ends this near to a region's edge, in pixels as seen, is cut by it."""
CUT_INSIDE = 0.5
"""Share of a cut box inside another person's from which it is part of that person."""

_SIGMAS = torch.tensor(decoding.COCO_SIGMAS)


def merged_people(
    found: Sequence[NDArray[np.float32]], regions: Sequence[Region], size: tuple[int, int], most: int
) -> NDArray[np.float32]:
    """Return at most `most` people of a picture of `size` (width, height), best first: float32 `[n, 56]` in its pixels.

    `found`: the people of each region, `[k, 56]` in pixels as seen, with score 0 in rows without a person.
    """
    rows: list[NDArray[np.float32]] = []
    cut: list[NDArray[np.bool_]] = []
    for people, region in zip(found, regions, strict=True):
        people = people[people[:, 4] > 0]
        cut.append(_cut(people[:, :4], region, size))
        rows.append(in_picture(people, region))
    together, is_cut = np.concatenate(rows), np.concatenate(cut)
    # Whole people first, so that they suppress what is cut.
    order = np.lexsort((-together[:, 4], is_cut))
    together, is_cut = together[order], is_cut[order]
    kept = _kept(together, is_cut)
    together = together[kept]
    return together[np.argsort(-together[:, 4], kind="stable")][:most]


def in_picture(people: NDArray[np.float32], region: Region) -> NDArray[np.float32]:
    """Return rows `[n, 56]` of a region in pixels of the picture."""
    scale = np.float32(region.side / REGION_SIDE)
    offset = np.array((region.left, region.top), np.float32)
    moved = people.copy()
    moved[:, :4] = moved[:, :4] * scale + np.tile(offset, 2)
    keypoints = moved[:, 5:].reshape(len(moved), KEYPOINTS, 3)
    keypoints[..., :2] = keypoints[..., :2] * scale + offset
    return moved


def _cut(boxes: NDArray[np.float32], region: Region, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which boxes `[n, 4]`, in pixels as seen, end at an edge of the region that is not one of the picture."""
    scale = REGION_SIDE / region.side
    width, height = (length * scale for length in region.shown(size))
    return (
        ((boxes[:, 0] <= EDGE) & (region.left > 0))
        | ((boxes[:, 1] <= EDGE) & (region.top > 0))
        | ((boxes[:, 2] >= width - EDGE) & (region.left + region.size[0] < size[0]))
        | ((boxes[:, 3] >= height - EDGE) & (region.top + region.size[1] < size[1]))
    )


def _kept(rows: NDArray[np.float32], cut: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows are of a person whom no earlier row shows."""
    if len(rows) < 2:
        return np.ones(len(rows), np.bool_)
    found = torch.from_numpy(rows)[None]
    keypoints = found[..., 5:].unflatten(-1, (KEYPOINTS, 3))[..., :2]
    alike = decoding.overlaps(found[..., :4], keypoints, _SIGMAS)[0].numpy() > decoding.DUPLICATE_OVERLAP
    same = alike | ((share_inside(rows[:, :4], rows[:, :4]) > CUT_INSIDE) & cut[:, None])
    kept = np.ones(len(rows), np.bool_)
    for row in range(1, len(rows)):
        kept[row] = not (same[row, :row] & kept[:row]).any()
    return kept
