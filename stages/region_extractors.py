"""Features of the regions of people's steps, from the detector's feature maps or through a VGG-16.

The checkpoint determines which of the two its network was trained with.
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
from stages.people.people import BatchSteps
from stages.region_features.roi_features import RoiConfig
from stages.region_features.step_features import SlotPictures, StepBoxes, step_features
from stages.region_features.step_regions import step_regions
from stages.region_features.vgg_features import PictureRegions, VggFeatures


class RegionExtractor(Protocol):
    """Computes the region features of people's steps."""

    needs_keypoints: bool

    def extract(self, steps: BatchSteps, metas: Sequence[FrameMeta], groups: Sequence[PictureGroup]) -> VisualInput:
        """Return the features of all steps, padded as `bucket` says. Does not wait for the device.

        `groups` hold the pictures of the frames in which people make steps.
        """
        ...

    def warm_up(self, people: int) -> None:
        """Run once on made-up regions of this many people."""
        ...


class MapRegionExtractor:
    """Pools parts, the surroundings of hands, and the whole picture from the detector's feature maps."""

    needs_keypoints = True

    def __init__(self, config: RoiConfig, device: torch.device | str = "cpu") -> None:
        self._config, self._device = config, torch.device(device)

    def extract(self, steps: BatchSteps, metas: Sequence[FrameMeta], groups: Sequence[PictureGroup]) -> VisualInput:
        """Return `parts` [rows, P, F] and `objects` [rows, 3, F]."""
        return step_regions(steps, metas, groups, self._config, self._device)

    def warm_up(self, people: int) -> None:
        """Do nothing."""


class VggRegionExtractor:
    """Reads parts, and each person's object or the whole picture, with VGG-16."""

    needs_keypoints = False

    def __init__(self, extractor: VggFeatures, device: torch.device | str = "cpu") -> None:
        """`extractor` must be on `device` already."""
        self._extractor, self._device = extractor, torch.device(device)

    def extract(self, steps: BatchSteps, metas: Sequence[FrameMeta], groups: Sequence[PictureGroup]) -> VisualInput:
        """Return `parts` [rows, P, F] and `objects` [rows, 1, F]."""
        no_box = np.zeros(4, np.float32)
        boxes = StepBoxes(
            steps.frames,
            np.stack(steps.part_boxes),
            np.stack(steps.present),
            np.stack([no_box if box is None else box for box in steps.objects]),
            np.array([box is not None for box in steps.objects], bool),
        )
        pictures = [SlotPictures(group.frames, group.pixels) for group in groups]
        return step_features(boxes, metas, pictures, self._extractor, self._device)

    def warm_up(self, people: int) -> None:
        """Run the extractor on one picture with a region for each person."""
        side = self._extractor.config.short_side
        picture = torch.zeros(1, side, side, 3, dtype=torch.uint8, device=self._device)
        boxes = torch.zeros(people, 4, device=self._device)
        boxes[:, 2:] += side
        self._extractor([PictureRegions(picture, boxes, torch.zeros(people, dtype=torch.int64, device=self._device))])


def region_extractor(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> RegionExtractor | None:
    """Return the extractor that the checkpoint's network was trained with, or None if it uses no regions.

    `checkpoint` must be on `device`. Raises `ValueError` if its feature length is not the one that this version pools.
    """
    config = checkpoint.network.config
    if not config.visual:
        return None
    if checkpoint.features is not None:
        return VggRegionExtractor(checkpoint.features, device)
    pooling = RoiConfig.of(config)
    if config.visual_features != pooling.length():
        raise ValueError(
            f"the checkpoint expects {config.visual_features} RoI features per region, "
            f"but this version pools {pooling.length()}"
        )
    return MapRegionExtractor(pooling, device)
