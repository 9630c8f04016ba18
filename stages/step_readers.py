"""Step readers: what the regions of a batch's steps show, from the detector's own maps or through a VGG-16.

Which one a network reads with is in its checkpoint. A `VggReader` owns its extractor, a `MapReader` nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from ring_buffers.frames import FrameMeta
from stages.checkpoint import Checkpoint
from stages.detection.detections import PictureGroup
from stages.heads.network import VisualInput
from stages.people.batch_steps import BatchSteps
from stages.region_features.roi_features import RoiConfig
from stages.region_features.step_features import SlotPictures, StepBoxes, step_features
from stages.region_features.step_regions import step_regions
from stages.region_features.vgg_features import PictureRegions, VggFeatures


class StepReader(Protocol):
    """Reads the regions of people's steps."""

    needs_keypoints: bool

    def read(self, steps: BatchSteps, metas: Sequence[FrameMeta], groups: Sequence[PictureGroup]) -> VisualInput:
        """RoI features of all steps, padded to the rows that the network reads. `groups` hold the pictures in which
        people step. Nothing waits for the device."""
        ...

    def warm_up(self, people: int) -> None:
        """Made-up regions of so many people."""
        ...


class MapReader:
    """Parts, hands' surroundings and the whole picture, pooled from the detector's maps:
    `stages.region_features.step_regions`."""

    needs_keypoints = True

    def __init__(self, config: RoiConfig, device: torch.device | str = "cpu") -> None:
        self._config, self._device = config, torch.device(device)

    def read(self, steps: BatchSteps, metas: Sequence[FrameMeta], groups: Sequence[PictureGroup]) -> VisualInput:
        """`parts` [rows, P, F], `objects` [rows, 3, F]."""
        return step_regions(steps, metas, groups, self._config, self._device)

    def warm_up(self, people: int) -> None:
        """Pooling has nothing to warm up."""


class VggReader:
    """Parts, and each person's object or the whole picture, through VGG-16: `stages.region_features.step_features`."""

    needs_keypoints = False

    def __init__(self, extractor: VggFeatures, device: torch.device | str = "cpu") -> None:
        """The extractor lies on `device` already."""
        self._extractor, self._device = extractor, torch.device(device)

    def read(self, steps: BatchSteps, metas: Sequence[FrameMeta], groups: Sequence[PictureGroup]) -> VisualInput:
        """`parts` [rows, P, F], `objects` [rows, 1, F]."""
        nowhere = np.zeros(4, np.float32)
        boxes = StepBoxes(
            steps.frames,
            np.stack(steps.part_boxes),
            np.stack(steps.present),
            np.stack([nowhere if thing is None else thing for thing in steps.objects]),
            np.array([thing is not None for thing in steps.objects], bool),
        )
        pictures = [SlotPictures(group.frames, group.pixels) for group in groups]
        return step_features(boxes, metas, pictures, self._extractor, self._device)

    def warm_up(self, people: int) -> None:
        """One picture, and a region for each person."""
        side = self._extractor.config.short_side
        picture = torch.zeros(1, side, side, 3, dtype=torch.uint8, device=self._device)
        boxes = torch.zeros(people, 4, device=self._device)
        boxes[:, 2:] += side
        self._extractor([PictureRegions(picture, boxes, torch.zeros(people, dtype=torch.int64, device=self._device))])


def step_reader(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> StepReader | None:
    """What the checkpoint's network reads regions with; None where it reads none. The checkpoint lies on `device`.

    Raises `ValueError` where this version pools regions otherwise.
    """
    config = checkpoint.network.config
    if not config.visual:
        return None
    if checkpoint.features is not None:
        return VggReader(checkpoint.features, device)
    pooling = RoiConfig.of(config)
    if config.visual_features != pooling.length():
        raise ValueError(
            f"the checkpoint reads {config.visual_features} RoI features a region, "
            f"this version pools {pooling.length()}"
        )
    return MapReader(pooling, device)
