"""Detector of people and keypoints. Part boxes are computed from the keypoints.

Objects are found by a network of their own, in the frames whose looks ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from ring_buffers.transfer import to_host
from stages.detection.detections import BatchDetections, ObjectDetections, PartBoxes
from stages.detection.keypoint_batches import DETECTION_WIDTH, KeypointNetwork, detect_keypoints
from stages.detection.nanodet.nanodet import ObjectFinder
from stages.detection.part_boxes import part_boxes
from stages.detection.second_look import SecondLook
from stages.detection.views.slot_pictures import FormatOf
from stages.keypoint_features.skeleton import KEYPOINTS
from stages.looks import Look
from stages.settings import KEYPOINT_SCORE, ScoreThresholds

MOVENET_THRESHOLDS = ScoreThresholds(
    person_score=0.1, keypoint_score=KEYPOINT_SCORE, object_score=0.45, activation_score=0.25, high_score=0.2
)
"""MoveNet's scores of people are low.

Of NanoDet's objects around people that score 0.45 or more, 72 of 94 were right by eye, of those from 0.4 to 0.45 29 of
50 (the best of each class in 100 videos)."""


@dataclass(frozen=True, slots=True, eq=False)
class KeypointDetections:
    """Implements `FrameDetections`. `size`: width and height of the epoch's first picture."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    size: tuple[int, int]
    objects: ObjectDetections | None = None

    @staticmethod
    def of(rows: NDArray[np.float32], meta: FrameMeta) -> KeypointDetections:
        """Make detections of rows `[n, 56]` in pixels of the epoch's first picture."""
        keypoints = rows[:, 5:].reshape(-1, KEYPOINTS, 3)
        return KeypointDetections(rows[:, :4].copy(), rows[:, 4].copy(), keypoints.copy(), meta.size)

    def parts_of(self, people: NDArray[np.int64], min_score: float) -> PartBoxes:
        """Return boxes around the people's keypoints."""
        return part_boxes(self.keypoints[people], self.boxes[people], self.size, min_score)


class KeypointDetector:
    """Implements `Detector` with a network such as MoveNet."""

    has_keypoints = True
    sees_regions = True

    def __init__(
        self,
        network: KeypointNetwork,
        format_of: FormatOf,
        device: torch.device | str = "cpu",
        objects: ObjectFinder | None = None,
        second_look: SecondLook | None = None,
    ) -> None:
        """`network` must be on `device`; `format_of` returns the format of the pictures that it reads.

        `objects` looks for objects, `second_look` again at people; None if nothing does.
        """
        self._network, self._format_of, self._device = network, format_of, torch.device(device)
        self._objects, self._second_look = objects, second_look

    @property
    def networks(self) -> tuple[object, ...]:
        """The keypoint network, and those for second looks and objects if there are any."""
        second = () if self._second_look is None else self._second_look.networks
        objects = () if self._objects is None else (self._objects.network,)
        # One network may look for objects and for people.
        return tuple({id(network): network for network in (self._network, *second, *objects)}.values())

    @property
    def looks_for_objects(self) -> bool:
        """Whether there is a network for objects."""
        return self._objects is not None

    @property
    def looks_again(self) -> bool:
        """Whether there are networks for second looks and searches."""
        return self._second_look is not None

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """MoveNet's thresholds."""
        return MOVENET_THRESHOLDS

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the format of the pictures that the network reads."""
        return self._format_of(source_size, detector_size)

    def detect(self, frames: Sequence[Lease], looks: Sequence[Look], max_people: int) -> BatchDetections:
        """Run the network on what the `looks` ask for."""
        found = detect_keypoints(frames, looks, self._network, max_people, self._device)
        rows_of = found.people
        if self._second_look is not None:
            # In frames with only a search, no person has been found yet.
            no_rows = np.zeros((0, DETECTION_WIDTH), np.float32)
            searched = {index: no_rows for index, look in enumerate(looks) if look.search is not None}
            refined = self._second_look.refine(frames, looks, searched | rows_of)
            rows_of = {index: _best(rows, max_people) for index, rows in refined.items()}
        people = {index: KeypointDetections.of(rows, frames[index].meta) for index, rows in rows_of.items()}
        if self._objects is not None:
            for index, objects in self._objects.find(frames, looks).items():
                people[index] = replace(people[index], objects=objects)
        return BatchDetections(dict(people), found.groups)

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Run the network on dummy pictures."""
        _, heads = self._network(pictures)
        to_host(self._network.decode(heads, max_people).packed)
        if self._objects is not None:
            self._objects.warm_up(len(pictures))
        if self._second_look is not None:
            self._second_look.warm_up()


def _best(rows: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return at most `most` people of rows `[n, 56]`, those with the highest scores."""
    return rows if len(rows) <= most else rows[np.argsort(-rows[:, 4], kind="stable")[:most]]
