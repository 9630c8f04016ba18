"""Picture scaling: from uint8 pictures to what a trunk reads, and boxes that move along. Pure functions.

Everything is computed where the pictures lie, so that a frame goes to the device once and as bytes (docs/method.md,
"Features": scaled to 256, in training a crop of 224).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ring_buffers.transfer import to_device

STRIDE = 16
"""Scaled sides are multiples of it, so that every pixel lies in a cell of the trunk's last map and few shapes occur."""

LONGEST_SHAPE = 4
"""Longer side to shorter: bounds what a picture costs, whatever a camera sends."""

Normalisation = Literal["imagenet", "caffe"]
"""imagenet: RGB in [0, 1] less the mean, by the spread, as torchvision's weights want it; caffe: BGR in [0, 255] less
the mean, as weights that came from Caffe do."""

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN_BGR = (102.9801, 115.9465, 122.7717)


class Crop(NamedTuple):
    """A square of a scaled picture, in its pixels."""

    left: int
    top: int
    side: int

    @staticmethod
    def centre(size: tuple[int, int], side: int) -> Crop:
        """The middle of a picture of (width, height)."""
        return Crop((size[0] - side) // 2, (size[1] - side) // 2, side)


def scaled_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """(width, height) whose shorter side is `short_side`, the other rounded to a multiple of 16: the shape changes by a
    few per cent at most, but for pictures longer than 4:1, which are squeezed to that. `short_side` is such a multiple.
    Raises `ValueError` where there is no picture."""
    if min(size) < 1:
        raise ValueError(f"a picture of {size[0]}x{size[1]} can't be scaled")
    width, height = (round(short_side * min(side / min(size), LONGEST_SHAPE) / STRIDE) * STRIDE for side in size)
    return width, height


def scaled(pictures: Tensor, size: tuple[int, int], crop: Crop | None = None) -> Tensor:
    """uint8 [B, H, W, 3] → float32 [B, 3, height, width] in [0, 255] for `size` (width, height): bilinear, and where it
    becomes smaller averaged over what each pixel covers. Of that, `crop`. Raises `ValueError` for one that isn't within
    the picture: what lies beyond has no pixels."""
    width, height = size
    planes = pictures.permute(0, 3, 1, 2).float()
    if planes.shape[2:] != (height, width):
        planes = F.interpolate(planes, (height, width), mode="bilinear", antialias=True, align_corners=False)
    if crop is None:
        return planes
    if crop.left < 0 or crop.top < 0 or crop.left + crop.side > width or crop.top + crop.side > height:
        raise ValueError(
            f"the crop of {crop.side} at {crop.left}, {crop.top} isn't within a picture of {width}x{height}"
        )
    return planes[:, :, crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]


def normalised(planes: Tensor, normalisation: Normalisation) -> Tensor:
    """float32 [B, 3, H, W], RGB in [0, 255] → as the weights want it."""
    if normalisation == "caffe":
        return planes.flip(1) - _column(_CAFFE_MEAN_BGR, planes.device)
    mean, std = _column(_IMAGENET_MEAN, planes.device), _column(_IMAGENET_STD, planes.device)
    return (planes / 255 - mean) / std


def rescaled_boxes(boxes: Tensor, size: tuple[int, int], to: tuple[int, int], crop: Crop | None = None) -> Tensor:
    """Boxes float32 [..., 4] (x1, y1, x2, y2) of pictures of `size` (width, height) in those scaled to `to`, of which
    `crop` is taken: moved with it and cut at its edges. One that lies beyond is left without area."""
    left, top = (0, 0) if crop is None else (crop.left, crop.top)
    packed = np.array((to[0] / size[0], to[1] / size[1], left, top), np.float32)
    factor, shift = to_device(packed, boxes.device).view(2, 2)
    moved = boxes.unflatten(-1, (2, 2)) * factor - shift
    if crop is not None:
        moved = moved.clamp(0, crop.side)
    return moved.flatten(-2)


def _column(values: tuple[float, float, float], device: torch.device) -> Tensor:
    return to_device(np.array(values, np.float32), device).view(3, 1, 1)
