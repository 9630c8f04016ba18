"""Finds people and objects as regions, and their parts by keypoints: for a detector that knows no parts, as COCO's 80
classes have none. Owns both detectors.

Both look at the same pictures on the device. Who is there and where is what the detector of regions says; each of its
people takes the joints of the one whom the detector of keypoints found in the same place, if it found anybody there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.detection.batched import Detector
from stages.detection.finder import BatchFound, FoundInFrame, PictureGroup
from stages.detection.keypoint_finder import PeopleWithKeypoints
from stages.detection.region_batches import RegionDetector, detect_regions
from stages.detection.region_classes import RegionClasses, RegionLayout
from stages.detection.region_finder import CASCADE_RCNN_THRESHOLDS, PeopleWithRegions
from stages.device.transfer import to_host
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.settings import KEYPOINT_SCORE, ScoreThresholds

LEAST_IOU = 0.4
"""Of the two boxes of one person. The keypoints' go beyond the outermost joints by 5 to 8 % of the stature, so that two
of one person overlap by .6 to .9; people who stand together and aren't the same, by less than .3 mostly."""


class PairedFinder:
    """Implements `Finder` with a detector of people and objects, and one of people and keypoints.

    Pictures have the shape that the former wants; the latter takes any whose sides are multiples of 32.
    """

    has_keypoints = True

    def __init__(self, regions: RegionDetector, keypoints: Detector, device: torch.device | str = "cpu") -> None:
        """Both lie on `device` already."""
        self._regions, self._keypoints, self._device = regions, keypoints, torch.device(device)
        both = [part for part in (regions, keypoints) if isinstance(part, nn.Module)]
        self._detector = nn.ModuleList(both)

    @property
    def detector(self) -> nn.Module:
        """Both networks."""
        return self._detector

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """People are as sure as the detector of regions is of them; of joints, MoveNet's usual score."""
        return replace(CASCADE_RCNN_THRESHOLDS, keypoint_score=KEYPOINT_SCORE)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """The picture that the detector of regions wants. Pure."""
        return self._regions.slot_format(source_size, detector_size)

    def find(self, frames: Sequence[Lease], turns: Sequence[bool], max_people: int) -> BatchFound:
        """Look at those frames whose turn it is. Two copies from the device to the host, one of each detector."""
        found = detect_regions(frames, turns, self._regions, max_people, self._device)
        posed = self._posed(found.groups, max_people)
        classes = self._regions.classes
        people: dict[int, FoundInFrame] = {
            index: _paired(rows, posed[index], found.layout, classes, frames[index].meta)
            for index, rows in found.rows.items()
        }
        return BatchFound(people, found.groups)

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Made-up pictures through both."""
        sizes = torch.tensor([content] * len(pictures), dtype=torch.float32).to(self._device)
        _, heads = self._regions(pictures, sizes)
        self._regions.decode(heads, max_people)
        _, heads = self._keypoints(pictures)
        to_host(self._keypoints.decode(heads, max_people).packed)

    def _posed(self, groups: Sequence[PictureGroup], max_people: int) -> dict[int, NDArray[np.float32]]:
        """Frame index → rows [max_people, 56] in input pixels."""
        packed: list[Tensor] = []
        for group in groups:
            _, heads = self._keypoints(group.pixels)
            packed.append(self._keypoints.decode(heads, max_people).packed)
        if not packed:
            return {}
        order = [index for group in groups for index in group.frames]
        return dict(zip(order, to_host(torch.cat(packed)), strict=True))


def _paired(
    rows: NDArray[np.float32],
    posed: NDArray[np.float32],
    layout: RegionLayout,
    classes: RegionClasses,
    meta: FrameMeta,
) -> PeopleWithKeypoints:
    regions = PeopleWithRegions.of(rows, layout, classes, meta)
    poses = PeopleWithKeypoints.of(posed[posed[:, 4] > 0], meta)
    keypoints = np.zeros((len(regions.boxes), KEYPOINTS, 3), np.float32)
    mine, theirs = same_people(regions.boxes, poses.boxes)
    keypoints[mine] = poses.keypoints[theirs]
    return PeopleWithKeypoints(regions.boxes, regions.scores, keypoints, meta.size, regions.objects)


def same_people(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of boxes [n, 4] and [m, 4] that are one person's: one-to-one, so that the sum of IoU is the greatest, and
    each of at least `LEAST_IOU`. Pure."""
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    shared = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    overlap = shared / np.maximum(union, 1e-9)
    overlap[overlap < LEAST_IOU] = 0.0
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    same = overlap[rows, columns] > 0
    return rows[same], columns[same]
