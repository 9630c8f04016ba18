"""VGG features: what each region of a picture shows, by Faster R-CNN's VGG-16, in 4096 numbers.

The trunk up to conv5_3 (stride 16), RoIAlign in 7x7 bins, fc6 and fc7, ReLU after each (docs/method.md, "Features").
All regions of a batch of frames go through fc6 and fc7 together, whatever the frames' shapes: its 411 MB of weights are
read once and not once a camera. Owns its weights; `stages/region_features/vgg_weights.py` reads and writes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stages.device.precision import computing_in
from stages.region_features.picture_scaling import (
    STRIDE,
    Crop,
    Normalisation,
    normalised,
    rescaled_boxes,
    scaled,
    scaled_size,
)

_STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
"""VGG-16's convolutions between halvings: how many, and their channels as a multiple of the first stage's."""


@dataclass(frozen=True, slots=True)
class VggConfig:
    """Sizes of the extractor, and how it wants pictures. The defaults are VGG-16's; `channels` of 4 and `hidden` of 64
    are one sixteenth of it, for tests and small checkpoints. Saved with the weights."""

    channels: int = 64
    """Of the first convolutions; the last have eight times as many."""
    hidden: int = 4096
    """Outputs of fc6 and of fc7: the length of a region's feature."""
    bins: int = 7
    """Bins that a region is pooled in, along each side."""
    samples: int = 2
    """Samples of a bin along each side: a fixed number, so that a region costs the same whatever its size."""
    short_side: int = 256
    """Pixels of the shorter side that pictures are scaled to."""
    dropout: float = 0.5
    """After fc6 and fc7, while they are tuned."""
    normalisation: Normalisation = "imagenet"

    def __post_init__(self) -> None:
        sizes = ("channels", "hidden", "bins", "samples", "short_side")
        for name in (name for name in sizes if getattr(self, name) < 1):
            raise ValueError(f"features: `{name}` is {getattr(self, name)}; it must be at least 1")
        if self.short_side % STRIDE:
            raise ValueError(f"features: `short_side` is {self.short_side}; it must be a multiple of {STRIDE}")
        if self.normalisation not in ("imagenet", "caffe"):
            raise ValueError(f"features: `normalisation` is {self.normalisation!r}, not one of imagenet, caffe")

    @property
    def map_channels(self) -> int:
        """Channels of the trunk's last map."""
        return self.channels * _STAGES[-1][1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a file."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(content: dict[str, Any]) -> VggConfig:
        """Read what `to_dict` wrote. Raises `ValueError` naming fields that this version doesn't know."""
        unknown = sorted(set(content) - {field.name for field in dataclasses.fields(VggConfig)})
        if unknown:
            raise ValueError(f"features: unknown fields {unknown}")
        return VggConfig(**content)


class PictureRegions(NamedTuple):
    """Pictures of one shape and the regions to look at in them; tensors on the extractor's device."""

    pictures: Tensor
    """uint8 [B, H, W, 3] RGB, without padding."""
    boxes: Tensor
    """float32 [R, 4]: x1, y1, x2, y2 in pixels of `pictures`."""
    picture: Tensor
    """int64 [R]: which picture each region is of."""
    crop: Crop | None = None
    """In training: of the scaled pictures, only this square is seen."""


class VggFeatures(nn.Module):
    """Pictures and boxes in, a feature a box out.

    `pictures_at_once` and `regions_at_once` bound the memory that a batch takes beside weights and pictures, and change
    no result: see `working_bytes` for what they come to.
    """

    def __init__(self, config: VggConfig | None = None, pictures_at_once: int = 4, regions_at_once: int = 256) -> None:
        super().__init__()
        self.config = config or VggConfig()
        self.pictures_at_once = pictures_at_once
        self.regions_at_once = regions_at_once
        self.precision = torch.float32
        """In which convolutions and layers compute; the features are float32 all the same."""
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
        """The features of all regions, group after group: float32 [R of all groups, hidden].

        Differentiable with respect to the weights, so that features can be tuned. Nothing waits for the device.
        """
        counts = [len(group.boxes) for group in groups]
        if not sum(counts):
            return torch.zeros(0, self.length, device=self.fc6.weight.device)
        maps = [self._maps(group) if count else None for group, count in zip(groups, counts, strict=True)]
        regions = [self._regions(group) for group in groups]
        return torch.cat([self.region_features(pooled) for pooled in self._pooled(maps, regions)])

    def trunk(self, planes: Tensor) -> Tensor:
        """Normalised pictures [B, 3, H, W] → the last map, conv5_3 after its ReLU: [B, map_channels, H/16, W/16]."""
        return self.features(planes)

    def region_features(self, pooled: Tensor) -> Tensor:
        """float32 [r, map_channels, bins, bins] → float32 [r, hidden]: fc6, ReLU, fc7, ReLU."""
        with computing_in(self.precision, pooled.device):
            hidden = self.dropout(torch.relu(self.fc6(pooled.flatten(1).to(self.fc6.weight.dtype))))
            return self.dropout(torch.relu(self.fc7(hidden))).float()

    def working_bytes(self, picture_size: tuple[int, int]) -> int:
        """About how much memory a batch takes beside weights, pictures, last maps and features, in float32, for
        pictures of (width, height).

        The first stage's maps are the greatest, and two of them are there at once, one read and one written; a region
        is its bins, once as they were pooled and once put together. Measured with VGG-16's sizes on a CPU: 58 MB a
        picture of 640x384 and 0.29 MB a region, where this says 63 and 0.28. cuDNN may take a workspace beside it.
        """
        width, height = scaled_size(picture_size, self.config.short_side)
        picture = 4 * (2 * self.config.channels + 9) * width * height + 12 * picture_size[0] * picture_size[1]
        region = 4 * (2 * self.config.map_channels * self.config.bins**2 + 5 * self.config.hidden)
        return max(self.pictures_at_once * picture, self.regions_at_once * region)

    def _scaled_size(self, group: PictureRegions) -> tuple[int, int]:
        height, width = group.pictures.shape[1:3]
        return scaled_size((width, height), self.config.short_side)

    def _maps(self, group: PictureRegions) -> Tensor:
        """The last maps of a group's pictures, float32."""
        weight = self.fc6.weight
        size = self._scaled_size(group)
        maps: list[Tensor] = []
        for some in group.pictures.split(self.pictures_at_once):
            planes = normalised(scaled(some, size, group.crop), self.config.normalisation)
            with computing_in(self.precision, planes.device):
                maps.append(self.trunk(planes.to(weight.dtype)).float())
        return maps[0] if len(maps) == 1 else torch.cat(maps)

    def _regions(self, group: PictureRegions) -> Tensor:
        """float32 [R, 5]: which picture, and the box in pixels of the scaled picture."""
        height, width = group.pictures.shape[1:3]
        boxes = rescaled_boxes(group.boxes.float(), (width, height), self._scaled_size(group), group.crop)
        return torch.cat((group.picture.float()[:, None], boxes), 1)

    def _pooled(self, maps: Sequence[Tensor | None], regions: Sequence[Tensor]) -> Iterator[Tensor]:
        """All groups' regions, pooled in float32, at most `regions_at_once` at a time."""
        # Here, so that profiles without these features don't wait for it when they start: 1.4 s.
        from torchvision.ops import roi_align

        waiting: list[Tensor] = []
        room = self.regions_at_once
        for features, boxes in zip(maps, regions, strict=True):
            start = 0
            while features is not None and start < len(boxes):
                some = boxes[start : start + room]
                # Coordinates need float32: in bfloat16 they are two pixels wide.
                bins, samples = self.config.bins, self.config.samples
                waiting.append(roi_align(features, some, bins, 1 / STRIDE, samples, aligned=True))
                start, room = start + len(some), room - len(some)
                if not room:
                    yield torch.cat(waiting)
                    waiting, room = [], self.regions_at_once
        if waiting:
            yield torch.cat(waiting)


def _trunk(channels: int) -> nn.Sequential:
    """VGG-16's convolutions up to conv5_3 with its ReLU, numbered as torchvision's are."""
    layers: list[nn.Module] = []
    before = 3
    for convolutions, times in _STAGES:
        if layers:
            layers.append(nn.MaxPool2d(2))
        for _ in range(convolutions):
            layers += [nn.Conv2d(before, times * channels, 3, padding=1), nn.ReLU(inplace=True)]
            before = times * channels
    return nn.Sequential(*layers)
