"""Pictures of steps, and reading their regions with a VGG-16 that is being tuned. Owns nothing.

Where features are frozen a training batch holds them; where they are tuned it holds the pictures, some at a time, and
`read_regions` makes the features when they are needed, with gradients.
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
from stages.device.transfer import to_device
from stages.heads.network import VisualInput
from stages.region_features.picture_scaling import Crop
from stages.region_features.step_features import OBJECT_REGIONS, SlotPictures, StepBoxes, step_features
from stages.region_features.vgg_features import VggFeatures

PICTURES_AT_ONCE = 8
"""In one `StepPictures` at most. What a VGG-16 keeps of a picture of 224 x 224 until the gradient has gone through it
is 70 MB: of the 1024 pictures of a batch that would be 72 GB, of eight it is .6."""


@dataclass(frozen=True, slots=True, eq=False)
class StepPictures:
    """At most `PICTURES_AT_ONCE` pictures of one video, and k steps of people in them, on the host.

    `rows` int64 [k]: which row of the batch each step is; `pixels` uint8 [B, H, W, 3] as a camera's slots hold them and
    `metas` [B] what is known of them; `boxes`: where the steps' parts are; `crop`: how much is seen, None for all.
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
    """RoI features of so many rows, of which some are in the pictures: `parts` float32 [rows, parts, F], `objects`
    float32 [rows, 1, F], and `known` bool [rows]: which. The others are zeros.

    Where gradients are wanted, only pictures and features are kept for them, and the maps of one `StepPictures` are
    computed again when the gradient comes to it: a third more to compute, and maps of eight pictures at any time.
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
    # The pixels are an argument so that dropout's random state is kept on their device.
    parts, objects = checkpoint(look, pixels, use_reentrant=False)  # pyright: ignore[reportGeneralTypeIssues]
    return VisualInput(parts, objects)
