"""Finds people, their parts and objects as regions: no joint is known. Owns the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.detection.finder import BatchFound, FoundObjects, epoch_scale
from stages.detection.part_assignment import assign_parts
from stages.detection.part_boxes import PartBoxes
from stages.detection.region_batches import RegionDetector, detect_regions
from stages.detection.region_classes import RegionClasses, RegionLayout
from stages.device.transfer import to_host
from stages.settings import ScoreThresholds

CASCADE_RCNN_THRESHOLDS = ScoreThresholds(
    person_score=0.1, keypoint_score=0.1, object_score=0.3, activation_score=0.5, high_score=0.5
)
"""Cascade R-CNN is surer of people than MoveNet is: half and more is a person, a tenth may be one half hidden, which is
enough to go on with a track and not to begin one, as ByteTrack has it. Of parts it is not: left and right share what
they score. With the narrow detector on drawn people, whose parts count as found at an IoU of .3, parts of .1 and more
were 42 % of all, of .2 and more 35 %, of .5 and more 19 %."""


@dataclass(frozen=True, slots=True, eq=False)
class PeopleWithRegions:
    """Implements `FoundInFrame`. `part_boxes` float32 [P, K, 4] and `part_scores` float32 [P, K]: K boxes of each
    part, whosever they are; score 0 for none."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    part_boxes: NDArray[np.float32]
    part_scores: NDArray[np.float32]
    objects: FoundObjects
    keypoints: None = None

    @staticmethod
    def of(
        rows: NDArray[np.float32], layout: RegionLayout, classes: RegionClasses, meta: FrameMeta
    ) -> PeopleWithRegions:
        """From a detector's rows [layout.rows, 6] in input pixels."""
        scaled = rows[:, :4] * np.tile(epoch_scale(meta), 2)
        rows = np.concatenate([scaled, rows[:, 4:]], 1)
        people, parts, things = layout.people_of(rows), layout.parts_of(rows), layout.objects_of(rows)
        people, things = people[people[:, 4] > 0], things[things[:, 4] > 0]
        labels = tuple(classes.names[int(column)] for column in things[:, 5])
        return PeopleWithRegions(
            people[:, :4],
            people[:, 4],
            parts[..., :4],
            parts[..., 4],
            FoundObjects(things[:, :4], things[:, 4], labels),
        )

    def parts_of(self, people: NDArray[np.int64], least_score: float) -> PartBoxes:
        """Each part to the one who contains it best, of those people alone: somebody who isn't followed has none."""
        return assign_parts(self.boxes[people], self.part_boxes, self.part_scores, least_score)


class RegionFinder:
    """Implements `Finder` with a detector such as Cascade R-CNN."""

    has_keypoints = False

    def __init__(self, detector: RegionDetector, device: torch.device | str = "cpu") -> None:
        """The detector lies on `device` already, and knows the parts. Raises `ValueError` for one that doesn't."""
        if not detector.classes.parts:
            raise ValueError("the detector finds no body parts; profiles without keypoints need one that does")
        self._detector, self._device = detector, torch.device(device)

    @property
    def detector(self) -> RegionDetector:
        """The network that finds."""
        return self._detector

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """Cascade R-CNN's."""
        return CASCADE_RCNN_THRESHOLDS

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """The picture that the detector wants. Pure."""
        return self._detector.slot_format(source_size, detector_size)

    def find(self, frames: Sequence[Lease], turns: Sequence[bool], max_people: int) -> BatchFound:
        """Look at those frames whose turn it is."""
        found = detect_regions(frames, turns, self._detector, max_people, self._device)
        classes = self._detector.classes
        people = {
            index: PeopleWithRegions.of(rows, found.layout, classes, frames[index].meta)
            for index, rows in found.rows.items()
        }
        return BatchFound(dict(people), found.groups)

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Made-up pictures through the detector."""
        sizes = torch.tensor([content] * len(pictures), dtype=torch.float32).to(self._device)
        _, heads = self._detector(pictures, sizes)
        to_host(self._detector.decode(heads, max_people).packed)
