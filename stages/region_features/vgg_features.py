"""Features of picture regions from Faster R-CNN's VGG-16: 4096 numbers per region.

The network is VGG-16's trunk up to conv5_3 (stride 16), RoIAlign with 7x7 bins, and fc6 and fc7, each with ReLU
(docs/method.md, "Features"). All regions of a batch pass through fc6 and fc7 together, whatever the frames' shapes, so
that their 411 MB of weights are read once per batch instead of once per camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ring_buffers.transfer import to_device
from stages.device.precision import computing_in

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


_STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
"""VGG-16's stages: number of convolutions, and channels as a multiple of the first stage's."""


@dataclass(frozen=True, slots=True)
class VggConfig:
    """Sizes of the extractor and the format of its pictures, saved with the weights.

    The defaults are VGG-16's; `channels` of 4 and `hidden` of 64 are one sixteenth, for tests and small checkpoints.
    """

    channels: int = 64
    """Channels of the first convolutions; the last have eight times as many."""
    hidden: int = 4096
    """Outputs of fc6 and of fc7: the length of a region's feature."""
    bins: int = 7
    """Bins of a region along each side."""
    samples: int = 2
    """Samples per bin along each side. The number is fixed, so a region's cost does not depend on its size."""
    short_side: int = 256
    """Pixels of the shorter side to which pictures are scaled."""
    dropout: float = 0.5
    """Dropout after fc6 and fc7 in training."""
    normalisation: Normalisation = "imagenet"

    def __post_init__(self) -> None:
        if self.short_side % STRIDE:
            raise ValueError(f"features: `short_side` is {self.short_side}; it must be a multiple of {STRIDE}")

    @property
    def map_channels(self) -> int:
        """Channels of the last feature map."""
        return self.channels * _STAGES[-1][1]


class PictureRegions(NamedTuple):
    """Pictures of one shape and their regions; tensors on the extractor's device."""

    pictures: Tensor
    """uint8 [B, H, W, 3] RGB, without padding."""
    boxes: Tensor
    """float32 [R, 4]: x1, y1, x2, y2 in pixels of `pictures`."""
    picture: Tensor
    """int64 [R]: index of each region's picture."""
    crop: Crop | None = None
    """In training: the part of the scaled pictures that is used."""


class VggFeatures(nn.Module):
    """An extractor of one feature vector per box.

    `pictures_at_once` and `regions_at_once` bound the working memory of a batch and do not change the result.
    """

    def __init__(self, config: VggConfig | None = None, pictures_at_once: int = 4, regions_at_once: int = 256) -> None:
        super().__init__()
        self.config = config or VggConfig()
        self.pictures_at_once = pictures_at_once
        self.regions_at_once = regions_at_once
        self.precision = torch.float32
        """Compute precision of convolutions and linear layers; the features are always float32."""
        self.features = _trunk(self.config.channels)
        self.fc6 = nn.Linear(self.config.map_channels * self.config.bins**2, self.config.hidden)
        self.fc7 = nn.Linear(self.config.hidden, self.config.hidden)
        self.dropout = nn.Dropout(self.config.dropout)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.device.type != "meta":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    @property
    def length(self) -> int:
        """Length of a region's feature (`NetworkConfig.visual_features`)."""
        return self.config.hidden

    def forward(self, groups: Sequence[PictureRegions]) -> Tensor:
        """Return the features of all regions, group by group: float32 [R of all groups, hidden].

        They are differentiable with respect to the weights. Does not wait for the device.
        """
        counts = [len(group.boxes) for group in groups]
        if not sum(counts):
            return torch.zeros(0, self.length, device=self.fc6.weight.device)
        maps = [self._maps(group) if count else None for group, count in zip(groups, counts, strict=True)]
        regions = [self._regions(group) for group in groups]
        return torch.cat([self.region_features(pooled) for pooled in self._pooled(maps, regions)])

    def trunk(self, planes: Tensor) -> Tensor:
        """Return the last feature map (conv5_3 after ReLU), [B, map_channels, H/16, W/16], of normalised pictures."""
        return self.features(planes)

    def region_features(self, pooled: Tensor) -> Tensor:
        """Apply fc6, ReLU, fc7 and ReLU: float32 [r, map_channels, bins, bins] → float32 [r, hidden]."""
        with computing_in(self.precision, pooled.device):
            hidden = self.dropout(torch.relu(self.fc6(pooled.flatten(1).to(self.fc6.weight.dtype))))
            return self.dropout(torch.relu(self.fc7(hidden))).float()

    def _scaled_size(self, group: PictureRegions) -> tuple[int, int]:
        height, width = group.pictures.shape[1:3]
        return scaled_size((width, height), self.config.short_side)

    def _maps(self, group: PictureRegions) -> Tensor:
        """Return the last feature maps of a group's pictures, float32."""
        weight = self.fc6.weight
        size = self._scaled_size(group)
        maps: list[Tensor] = []
        for pictures in group.pictures.split(self.pictures_at_once):
            planes = normalised(scaled(pictures, size, group.crop), self.config.normalisation)
            with computing_in(self.precision, planes.device):
                maps.append(self.trunk(planes.to(weight.dtype)).float())
        return maps[0] if len(maps) == 1 else torch.cat(maps)

    def _regions(self, group: PictureRegions) -> Tensor:
        """Return float32 [R, 5]: index of the picture, and box in pixels of the scaled picture."""
        height, width = group.pictures.shape[1:3]
        boxes = rescaled_boxes(group.boxes.float(), (width, height), self._scaled_size(group), group.crop)
        return torch.cat((group.picture.float()[:, None], boxes), 1)

    def _pooled(self, maps: Sequence[Tensor | None], regions: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield all groups' regions, pooled in float32, at most `regions_at_once` at a time."""
        # Imported here, because it takes 1.4 s, which profiles without these features need not spend.
        from torchvision.ops import roi_align

        pending: list[Tensor] = []
        room = self.regions_at_once
        for features, boxes in zip(maps, regions, strict=True):
            start = 0
            while features is not None and start < len(boxes):
                chunk = boxes[start : start + room]
                # Coordinates need float32: bfloat16 has a resolution of two pixels.
                bins, samples = self.config.bins, self.config.samples
                pending.append(roi_align(features, chunk, bins, 1 / STRIDE, samples, aligned=True))
                start, room = start + len(chunk), room - len(chunk)
                if not room:
                    yield torch.cat(pending)
                    pending, room = [], self.regions_at_once
        if pending:
            yield torch.cat(pending)


def _trunk(channels: int) -> nn.Sequential:
    """Return VGG-16's convolutions up to conv5_3 with its ReLU, numbered as in torchvision."""
    layers: list[nn.Module] = []
    before = 3
    for convolutions, times in _STAGES:
        if layers:
            layers.append(nn.MaxPool2d(2))
        for _ in range(convolutions):
            layers += [nn.Conv2d(before, times * channels, 3, padding=1), nn.ReLU(inplace=True)]
            before = times * channels
    return nn.Sequential(*layers)
