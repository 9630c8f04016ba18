"""Finds people by their keypoints: part boxes follow from the joints, and there are no objects. Owns the detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.detection.batched import Detector, detect
from stages.detection.finder import NO_OBJECTS, BatchFound, FoundObjects, epoch_scale
from stages.detection.part_boxes import PartBoxes, part_boxes
from stages.device.transfer import to_host
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.settings import KEYPOINT_SCORE, ScoreThresholds

Formats = Callable[[tuple[int, int], tuple[int, int] | None], SlotFormat]
"""(source size, detector size or None) → the picture that a detector wants."""

MOVENET_THRESHOLDS = ScoreThresholds(
    person_score=0.1, keypoint_score=KEYPOINT_SCORE, object_score=0.3, activation_score=0.25, high_score=0.2
)
"""MoveNet's scores of people are low."""


@dataclass(frozen=True, slots=True, eq=False)
class PeopleWithKeypoints:
    """Implements `FoundInFrame`."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    size: tuple[int, int]
    objects: FoundObjects = NO_OBJECTS

    @staticmethod
    def of(rows: NDArray[np.float32], meta: FrameMeta) -> PeopleWithKeypoints:
        """From a detector's rows [n, 56] in input pixels."""
        scale = epoch_scale(meta)
        keypoints = rows[:, 5:].reshape(-1, KEYPOINTS, 3) * np.append(scale, np.float32(1))
        return PeopleWithKeypoints(rows[:, :4] * np.tile(scale, 2), rows[:, 4].copy(), keypoints, meta.size)

    def parts_of(self, people: NDArray[np.int64], least_score: float) -> PartBoxes:
        """Boxes around the joints."""
        return part_boxes(self.keypoints[people], self.boxes[people], self.size, least_score)


class KeypointFinder:
    """Implements `Finder` with a detector such as MoveNet."""

    has_keypoints = True

    def __init__(self, detector: Detector, formats: Formats, device: torch.device | str = "cpu") -> None:
        """`formats` is the detector's `slot_format`; the detector lies on `device` already."""
        self._detector, self._formats, self._device = detector, formats, torch.device(device)

    @property
    def detector(self) -> Detector:
        """The network that finds."""
        return self._detector

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """MoveNet's."""
        return MOVENET_THRESHOLDS

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """The picture that the detector wants. Pure."""
        return self._formats(source_size, detector_size)

    def find(self, frames: Sequence[Lease], turns: Sequence[bool], max_people: int) -> BatchFound:
        """Look at those frames whose turn it is."""
        found = detect(frames, turns, self._detector, max_people, self._device)
        people = {index: PeopleWithKeypoints.of(rows, frames[index].meta) for index, rows in found.people.items()}
        return BatchFound(dict(people), found.groups)

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Made-up pictures through the detector."""
        _, heads = self._detector(pictures)
        to_host(self._detector.decode(heads, max_people).packed)
