"""Detector of people, objects and keypoints from two networks, for a region network that detects no parts (COCO's 80
classes have none).

Both networks read the same pictures on the device. People and objects come from the region network. Each person gets
the keypoints of the overlapping person from the keypoint network, if there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from ring_buffers.transfer import to_host
from stages.detection.detections import BatchDetections, FrameDetections, PictureGroup
from stages.detection.keypoint_batches import KeypointNetwork, in_epoch_pixels
from stages.detection.keypoint_detector import KeypointDetections
from stages.detection.region_detector import (
    CASCADE_RCNN_THRESHOLDS,
    RegionClasses,
    RegionDetections,
    RegionLayout,
    RegionNetwork,
    detect_regions,
)
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.looks import WHOLE, Look
from stages.settings import KEYPOINT_SCORE, ScoreThresholds

MIN_IOU = 0.4
"""Least IoU of the two boxes of one person. A keypoint box exceeds the outermost keypoints by 5 to 8 % of the stature,
so the two boxes of one person have an IoU of 0.6 to 0.9; those of two people side by side are mostly below 0.3."""


class PairedDetector:
    """Implements `Detector` with a network for people and objects, and one for people and keypoints.

    Pictures have the format of the region network. Their sides must be multiples of 32 for the keypoint network.
    """

    has_keypoints = True
    sees_regions = False
    looks_for_objects = False
    looks_again = False

    def __init__(self, regions: RegionNetwork, keypoints: KeypointNetwork, device: torch.device | str = "cpu") -> None:
        """Both networks must be on `device`."""
        self._regions, self._keypoints, self._device = regions, keypoints, torch.device(device)

    @property
    def networks(self) -> tuple[object, ...]:
        """Both networks."""
        return self._regions, self._keypoints

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """Cascade R-CNN's thresholds, with MoveNet's for keypoints."""
        return replace(CASCADE_RCNN_THRESHOLDS, keypoint_score=KEYPOINT_SCORE)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the format of the pictures that the region network reads."""
        return self._regions.slot_format(source_size, detector_size)

    def detect(self, frames: Sequence[Lease], looks: Sequence[Look], max_people: int) -> BatchDetections:
        """Run both networks on the whole pictures that are looked at, with one copy to the host per network."""
        found = detect_regions(frames, [look.whole for look in looks], self._regions, max_people, self._device)
        keypoint_rows = self._keypoint_rows(found.groups, max_people)
        classes = self._regions.classes
        people: dict[int, FrameDetections] = {
            index: _paired(rows, keypoint_rows[index], found.layout, classes, frames[index].meta)
            for index, rows in found.rows.items()
        }
        return BatchDetections(people, found.groups)

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Run both networks on dummy pictures."""
        sizes = torch.tensor([content] * len(pictures), dtype=torch.float32).to(self._device)
        _, heads = self._regions(pictures, sizes)
        self._regions.decode(heads, max_people)
        _, heads = self._keypoints(pictures)
        to_host(self._keypoints.decode(heads, max_people).packed)

    def _keypoint_rows(self, groups: Sequence[PictureGroup], max_people: int) -> dict[int, NDArray[np.float32]]:
        """Return the keypoint network's rows `[max_people, 56]`, in input pixels, by frame index."""
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
    keypoint_rows: NDArray[np.float32],
    layout: RegionLayout,
    classes: RegionClasses,
    meta: FrameMeta,
) -> KeypointDetections:
    regions = RegionDetections.of(rows, layout, classes, meta)
    found = keypoint_rows[keypoint_rows[:, 4] > 0]
    poses = KeypointDetections.of(in_epoch_pixels(found, WHOLE, meta), meta)
    keypoints = np.zeros((len(regions.boxes), KEYPOINTS, 3), np.float32)
    rows_of_regions, rows_of_poses = same_people(regions.boxes, poses.boxes)
    keypoints[rows_of_regions] = poses.keypoints[rows_of_poses]
    return KeypointDetections(regions.boxes, regions.scores, keypoints, meta.size, regions.objects)


def same_people(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Match boxes `[n, 4]` and `[m, 4]` of the same people.

    The matching is one-to-one with the greatest sum of IoUs; each pair has an IoU of at least `MIN_IOU`. Returns the
    rows of the pairs.
    """
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    shared = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    overlap = shared / np.maximum(union, 1e-9)
    overlap[overlap < MIN_IOU] = 0.0
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    same = overlap[rows, columns] > 0
    return rows[same], columns[same]
