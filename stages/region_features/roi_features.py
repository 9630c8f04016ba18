"""RoI features from the detector's feature maps: body parts, the surroundings of hands, and the whole picture.

All people of a batch are processed together, on the device and without waiting for it. The maps exist already after
detection, so a region costs only its pooling (docs/method.md, "Features"). Pooling is RoIAlign, aligned and with a
fixed number of samples per bin, so its cost does not depend on the size of a region.

It is implemented as weighted sums of the maps' cells. torchvision's operator first copies channels-last maps, which the
detector produces: at 768x576, for one to eight people and in one thread, the stage took 5 to 7 ms with it and takes 1.6
to 2.9 ms without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ring_buffers.transfer import to_device
from stages.detection.movenet.movenet import FEATURE_CHANNELS
from stages.heads.network import NetworkConfig, VisualInput


@dataclass(frozen=True, slots=True)
class RoiConfig:
    """Pooling of a region into a vector.

    There are three strides because a distant pedestrian's hand covers two cells of the finest map and a near person's
    arm thirty: each has a map that two samples per bin cover. 3x3 bins distinguish above, below, left and right.
    """

    strides: tuple[int, ...] = (4, 8, 16)
    bins: int = 3
    """Bins along each side."""
    samples: int = 2
    """Samples per bin along each side."""
    parts: bool = True
    """Whether parts are pooled, or only object regions, which are a quarter of all."""

    @staticmethod
    def of(network: NetworkConfig) -> RoiConfig:
        """Return the pooling that a network was trained with."""
        return RoiConfig(
            network.visual_strides, network.visual_bins, network.visual_samples, network.visual_regions == "all"
        )

    def channels(self, map_channels: Mapping[int, int] = FEATURE_CHANNELS) -> int:
        """Return the number of channels of a pooled region."""
        return sum(map_channels[stride] for stride in self.strides)

    def length(self, map_channels: Mapping[int, int] = FEATURE_CHANNELS) -> int:
        """Return the length of a region's vector (`NetworkConfig.visual_features`)."""
        return self.channels(map_channels) * self.bins**2


class Regions(NamedTuple):
    """The regions of N people in a batch of B pictures of one shape; all tensors on the maps' device.

    Boxes are x1, y1, x2, y2 in pixels of the source, like those of people and parts.
    """

    picture: Tensor
    """int64 [N]: index of each person's picture in the batch."""
    parts: Tensor
    """float32 [N, P, 4]; the features of absent parts must not be used."""
    hands: Tensor
    """float32 [N, 2, 4]: around the left and the right hand."""
    hands_present: Tensor
    """bool [N, 2]"""
    scale: Tensor
    """float32 [B, 2]: detector pixels per source pixel along x and y."""
    content: Tensor
    """float32 [B, 2]: width and height of the picture without padding, in detector pixels."""
    offset: Tensor
    """float32 [B, 2]: x, y of the picture's top left corner in the source."""


def roi_features(maps: Mapping[int, Tensor], boxes: Tensor, picture: Tensor, config: RoiConfig | None = None) -> Tensor:
    """Pool R regions from the maps: `[R, C, bins, bins]`, with the channels of all strides concatenated.

    `maps`: stride → `[B, c, H / stride, W / stride]`. `boxes`: float32 `[R, 4]` in detector pixels. `picture`: int64
    `[R]`. Beyond the picture's edge, the edge's values count for one cell, then zeros.
    """
    config = config or RoiConfig()
    used = [maps[stride] for stride in config.strides]
    cells, weights = _cells(used, boxes.float(), picture, config)
    pooled = [
        F.embedding_bag(
            cells[row],
            features.permute(0, 2, 3, 1).flatten(0, 2),  # [B · h · w, c]: a view of channels-last maps
            mode="sum",
            per_sample_weights=weights[row].to(features.dtype),
        )
        for row, features in enumerate(used)
    ]
    return torch.cat(pooled, 1).view(len(boxes), config.bins, config.bins, -1).permute(0, 3, 1, 2)


def _cells(used: Sequence[Tensor], boxes: Tensor, picture: Tensor, config: RoiConfig) -> tuple[Tensor, Tensor]:
    """Return the cells of each of M maps, and their weights, whose weighted sum is a bin of a region.

    The results are int64 indices into a map's `[B · h · w]` cells and float32 weights, both
    `[M, R · bins², 4 · samples²]`: the four cells around each sample. Samples more than one cell beyond the map's edge
    have weight 0.
    """
    bins, samples, regions = config.bins, config.samples, len(boxes)
    sizes = [(features.shape[3], features.shape[2]) for features in used]
    # All maps and both axes at once, [M, R, 2 axes, points], because the overhead of small operations dominates.
    packed = np.concatenate((np.array(config.strides, np.float32)[:, None], np.array(sizes, np.float32)), 1)
    map_sizes = to_device(packed, boxes.device)
    strides, last = map_sizes[:, :1, None, None], map_sizes[:, None, 1:, None] - 1
    points = bins * samples
    fractions = (torch.arange(points, dtype=torch.float32, device=boxes.device) + 0.5) / points
    # Pixel centres are at half integers on both scales.
    low, high = (boxes.view(regions, 2, 2) / strides - 0.5)[..., None].unbind(2)
    position = low + (high - low) * fractions
    inside = (position >= -1) & (position <= last + 1)
    position = torch.minimum(torch.where(inside, position, 0).clamp(min=0), last)
    first = position.floor()
    offset = position - first
    x, y = torch.stack((first, torch.minimum(first + 1, last)), -1).long().unbind(2)
    weight_x, weight_y = (torch.stack((1 - offset, offset), -1) * (inside / samples)[..., None]).unbind(2)
    width, height = (last[:, 0] + 1).long().unbind(1)
    y = (y + (picture * height)[..., None, None]) * width[..., None, None]

    def by_bin(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return row and column values in shapes that broadcast to all cells of all bins."""
        rows = rows.reshape(-1, regions, bins, 1, 2 * samples, 1)
        return rows, columns.reshape(-1, regions, 1, bins, 1, 2 * samples)

    shape = (len(used), regions * bins * bins, 4 * samples * samples)
    y, x = by_bin(y, x)
    weight_y, weight_x = by_bin(weight_y, weight_x)
    return (y + x).view(shape), (weight_y * weight_x).view(shape)


def person_features(maps: Mapping[int, Tensor], regions: Regions, config: RoiConfig | None = None) -> VisualInput:
    """Return each person's parts `[N, P, F]` and objects `[N, 3, F]`: left hand, right hand, whole picture.

    P is 0 if the configuration leaves out parts. The whole picture, which is pooled once per picture, replaces a hand
    that is absent.
    """
    config = config or RoiConfig()
    part_boxes = regions.parts if config.parts else regions.parts[:, :0]
    people, parts = part_boxes.shape[:2]
    scale = torch.cat((regions.scale, regions.scale), 1)[regions.picture]  # [N, 4]
    offset = torch.cat((regions.offset, regions.offset), 1)[regions.picture]
    boxes = (torch.cat((part_boxes, regions.hands), 1) - offset[:, None]) * scale[:, None]  # [N, P + 2, 4]
    picture = regions.picture[:, None].expand(people, parts + 2)
    whole = torch.cat((torch.zeros_like(regions.content), regions.content), 1)  # [B, 4]
    pictures = torch.arange(len(whole), device=whole.device)
    pooled = roi_features(
        maps, torch.cat((boxes.flatten(0, 1), whole)), torch.cat((picture.flatten(), pictures)), config
    ).flatten(1)
    by_person, by_picture = pooled.tensor_split((people * (parts + 2),))
    by_person = by_person.unflatten(0, (people, parts + 2))
    by_picture = by_picture[regions.picture][:, None]  # [N, 1, F]
    hands = torch.where(regions.hands_present[..., None], by_person[:, parts:], by_picture)
    return VisualInput(by_person[:, :parts], torch.cat((hands, by_picture), 1))
