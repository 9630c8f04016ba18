"""Detector of people, parts and objects as regions, without keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from ring_buffers.transfer import to_host
from stages.detection.detections import BatchDetections, ObjectDetections, PartBoxes, epoch_scale
from stages.detection.regions.part_assignment import assign_parts
from stages.detection.regions.region_batches import RegionNetwork, detect_regions
from stages.detection.regions.region_classes import RegionClasses, RegionLayout
from stages.looks import Look
from stages.settings import ScoreThresholds

CASCADE_RCNN_THRESHOLDS = ScoreThresholds(
    person_score=0.1, keypoint_score=0.1, object_score=0.3, activation_score=0.5, high_score=0.5
)
"""Cascade R-CNN scores people higher than MoveNet. A score of 0.5 is a person; 0.1 may be a half-hidden one, which is
enough to continue a track but not to start one (ByteTrack). Parts score lower, because left and right share the
probability. With the narrow detector on rendered people, 42 % of all parts were found (IoU 0.3) with a score of at
least 0.1, 35 % with 0.2 and 19 % with 0.5."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionDetections:
    """Implements `FrameDetections`. `part_boxes` float32 `[P, K, 4]` and `part_scores` float32 `[P, K]`: K boxes of
    each part, of any person; score 0 for none."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    part_boxes: NDArray[np.float32]
    part_scores: NDArray[np.float32]
    objects: ObjectDetections
    keypoints: None = None

    @staticmethod
    def of(
        rows: NDArray[np.float32], layout: RegionLayout, classes: RegionClasses, meta: FrameMeta
    ) -> RegionDetections:
        """Convert a network's rows `[layout.rows, 6]`, which are in input pixels."""
        scaled = rows[:, :4] * np.tile(epoch_scale(meta), 2)
        rows = np.concatenate([scaled, rows[:, 4:]], 1)
        people, parts, things = layout.people_of(rows), layout.parts_of(rows), layout.objects_of(rows)
        people, things = people[people[:, 4] > 0], things[things[:, 4] > 0]
        labels = tuple(classes.names[int(column)] for column in things[:, 5])
        return RegionDetections(
            people[:, :4],
            people[:, 4],
            parts[..., :4],
            parts[..., 4],
            ObjectDetections(things[:, :4], things[:, 4], labels),
        )

    def parts_of(self, people: NDArray[np.int64], min_score: float) -> PartBoxes:
        """Assign each part to the one of these people that contains it best."""
        return assign_parts(self.boxes[people], self.part_boxes, self.part_scores, min_score)


class RegionDetector:
    """Implements `Detector` with a network such as Cascade R-CNN."""

    has_keypoints = False
    sees_regions = False
    looks_for_objects = False
    looks_again = False

    def __init__(self, network: RegionNetwork, device: torch.device | str = "cpu") -> None:
        """`network` must be on `device`. Raises `ValueError` if it detects no parts."""
        if not network.classes.parts:
            raise ValueError(
                "the detector has no classes of body parts; a profile without keypoints needs a detector that has them"
            )
        self._network, self._device = network, torch.device(device)

    @property
    def networks(self) -> tuple[object, ...]:
        """The region network."""
        return (self._network,)

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """Cascade R-CNN's thresholds."""
        return CASCADE_RCNN_THRESHOLDS

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the format of the pictures that the network reads."""
        return self._network.slot_format(source_size, detector_size)

    def detect(self, frames: Sequence[Lease], looks: Sequence[Look], max_people: int) -> BatchDetections:
        """Run the network on the frames whose whole picture is looked at."""
        found = detect_regions(frames, [look.whole for look in looks], self._network, max_people, self._device)
        classes = self._network.classes
        people = {
            index: RegionDetections.of(rows, found.layout, classes, frames[index].meta)
            for index, rows in found.rows.items()
        }
        return BatchDetections(dict(people), found.groups)

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Run the network on dummy pictures."""
        sizes = torch.tensor([content] * len(pictures), dtype=torch.float32).to(self._device)
        _, heads = self._network(pictures, sizes)
        to_host(self._network.decode(heads, max_people).packed)
