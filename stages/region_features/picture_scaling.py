"""Scaling and normalisation of pictures for the feature extractor, and of boxes with them.

Everything is computed on the pictures' device, so that a frame is copied to it once and as bytes (docs/method.md,
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
"""Scaled sides are multiples of it, so that every pixel lies in a cell of the last feature map and few shapes occur."""

LONGEST_SHAPE = 4
"""Greatest ratio of the longer side to the shorter, which bounds the cost of a picture."""

Normalisation = Literal["imagenet", "caffe"]
"""imagenet: RGB in [0, 1], minus the mean, divided by the standard deviation, for torchvision's weights. caffe: BGR in
[0, 255], minus the mean, for weights from Caffe."""

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN_BGR = (102.9801, 115.9465, 122.7717)


class Crop(NamedTuple):
    """A square of a scaled picture, in its pixels."""

    left: int
    top: int
    side: int

    @staticmethod
    def centre(size: tuple[int, int], side: int) -> Crop:
        """Return the central crop of a picture of (width, height)."""
        return Crop((size[0] - side) // 2, (size[1] - side) // 2, side)


def scaled_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return the (width, height) to scale a picture to: the shorter side becomes `short_side`, a multiple of 16.

    The longer side is rounded to a multiple of 16, which changes the aspect ratio by a few per cent at most; pictures
    longer than 4:1 are squeezed to 4:1. Raises `ValueError` for an empty picture.
    """
    if min(size) < 1:
        raise ValueError(f"a picture of {size[0]}x{size[1]} can't be scaled")
    width, height = (round(short_side * min(side / min(size), LONGEST_SHAPE) / STRIDE) * STRIDE for side in size)
    return width, height


def scaled(pictures: Tensor, size: tuple[int, int], crop: Crop | None = None) -> Tensor:
    """Scale uint8 [B, H, W, 3] to float32 [B, 3, height, width] in [0, 255] for `size` (width, height), and crop it.

    Scaling is bilinear with antialiasing. Raises `ValueError` if the crop is not within the scaled picture.
    """
    width, height = size
    planes = pictures.permute(0, 3, 1, 2).float()
    if planes.shape[2:] != (height, width):
        planes = F.interpolate(planes, (height, width), mode="bilinear", antialias=True, align_corners=False)
    if crop is None:
        return planes
    if crop.left < 0 or crop.top < 0 or crop.left + crop.side > width or crop.top + crop.side > height:
        raise ValueError(
            f"the crop of {crop.side} at {crop.left}, {crop.top} is not within a picture of {width}x{height}"
        )
    return planes[:, :, crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]


def normalised(planes: Tensor, normalisation: Normalisation) -> Tensor:
    """Normalise float32 [B, 3, H, W], RGB in [0, 255], for the weights."""
    if normalisation == "caffe":
        return planes.flip(1) - _column(_CAFFE_MEAN_BGR, planes.device)
    mean, std = _column(_IMAGENET_MEAN, planes.device), _column(_IMAGENET_STD, planes.device)
    return (planes / 255 - mean) / std


def rescaled_boxes(boxes: Tensor, size: tuple[int, int], to: tuple[int, int], crop: Crop | None = None) -> Tensor:
    """Transform boxes in pictures of `size` (width, height) to pictures scaled to `to` and cropped to `crop`.

    Boxes are float32 [..., 4] (x1, y1, x2, y2). They are clipped to the crop; one outside it gets no area.
    """
    left, top = (0, 0) if crop is None else (crop.left, crop.top)
    packed = np.array((to[0] / size[0], to[1] / size[1], left, top), np.float32)
    factor, shift = to_device(packed, boxes.device).view(2, 2)
    moved = boxes.unflatten(-1, (2, 2)) * factor - shift
    if crop is not None:
        moved = moved.clamp(0, crop.side)
    return moved.flatten(-2)


def _column(values: tuple[float, float, float], device: torch.device) -> Tensor:
    return to_device(np.array(values, np.float32), device).view(3, 1, 1)
