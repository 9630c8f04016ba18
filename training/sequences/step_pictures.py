"""Pictures of steps, and reading their regions with a VGG-16 that is being tuned.

With a frozen extractor a training batch holds features; with a tuned one it holds pictures, and `read_regions` computes
the features with gradients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ring_buffers.frames import FrameMeta
from ring_buffers.transfer import to_device
from stages.heads.network import VisualInput
from stages.region_features.picture_scaling import Crop
from stages.region_features.step_features import OBJECT_REGIONS, SlotPictures, StepBoxes, step_features
from stages.region_features.vgg_features import VggFeatures

PICTURES_AT_ONCE = 8
"""Most pictures in one `StepPictures`. A VGG-16 keeps 70 MB per picture of 224 x 224 for the gradient: 72 GB for the
1024 pictures of a batch, 0.6 GB for eight."""


@dataclass(frozen=True, slots=True, eq=False)
class StepPictures:
    """At most `PICTURES_AT_ONCE` pictures of one video, and k steps of people in them, on the host.

    `rows` int64 [k]: each step's row in the batch; `pixels` uint8 [B, H, W, 3] as in a camera's slots, with `metas`
    [B]; `boxes`: the boxes of the steps' parts; `crop`: the part of the pictures that is shown, None for all.
    """

    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    metas: Sequence[FrameMeta]
    boxes: StepBoxes
    crop: Crop | None = None


def read_regions(
    pictures: Iterable[StepPictures],
    extractor: VggFeatures,
    rows: int,
    parts: int,
    device: torch.device,
) -> VisualInput:
    """Return RoI features of `rows` rows: `parts` float32 [rows, parts, F], `objects` float32 [rows, 1, F], and `known`
    bool [rows]. Rows without a picture are zeros.

    With gradients, only pictures and features are kept, and the feature maps of one `StepPictures` are computed again
    in the backward pass: a third more computation, but memory for only eight pictures.
    """
    known = torch.zeros(rows, dtype=torch.bool, device=device)
    of_parts = torch.zeros(rows, parts, extractor.length, device=device)
    objects = torch.zeros(rows, OBJECT_REGIONS, extractor.length, device=device)
    read = [(one.rows, _read(one, extractor, device)) for one in pictures]
    if not read:
        return VisualInput(of_parts, objects, known)
    index = to_device(np.concatenate([places for places, _ in read]), device)
    return VisualInput(
        of_parts.index_copy(0, index, torch.cat([found.parts for _, found in read])),
        objects.index_copy(0, index, torch.cat([found.objects for _, found in read])),
        known.index_fill(0, index, True),
    )


def _read(pictures: StepPictures, extractor: VggFeatures, device: torch.device) -> VisualInput:
    def look(pixels: Tensor) -> tuple[Tensor, Tensor]:
        slots = SlotPictures(range(len(pixels)), pixels)
        seen = step_features(pictures.boxes, pictures.metas, [slots], extractor, device, pictures.crop)
        count = len(pictures.rows)
        return seen.parts[:count], seen.objects[:count]

    pixels = to_device(pictures.pixels, device)
    if not torch.is_grad_enabled():
        return VisualInput(*look(pixels))
    # `checkpoint` keeps dropout's random state for the device of its arguments, so the pixels are one.
    parts, objects = checkpoint(look, pixels, use_reentrant=False)  # pyright: ignore[reportGeneralTypeIssues]
    return VisualInput(parts, objects)
