"""RoI features: what the detector's own feature maps show in each body part, around each hand, and all over.

Owns nothing: pure functions, for all people of a batch at once, on the device and without waiting for it. The maps were
computed for detection anyway, so a region costs only its pooling (docs/method.md, "Features"). Pooling is RoIAlign,
aligned and with a fixed number of samples a bin, so its cost doesn't depend on the size of a region.

It is written as weighted sums of the maps' cells. torchvision's operator first copies a map whole whose channels lie
side by side, as the detector's do: at 768x576, for one to eight people and in one thread, the stage took 5 to 7 ms with
it and takes 1.6 to 2.9 ms so.
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
    """How a region becomes a vector.

    Three strides, because a hand of a far pedestrian is two cells of the finest map and a near person's arm is thirty:
    each finds a map that two samples a bin cover. 3x3 bins tell above from below and left from right.
    """

    strides: tuple[int, ...] = (4, 8, 16)
    bins: int = 3
    """Bins along each side."""
    samples: int = 2
    """Samples a bin along each side."""
    parts: bool = True
    """Whether parts are pooled; else only objects, a quarter of the regions."""

    @staticmethod
    def of(network: NetworkConfig) -> RoiConfig:
        """The pooling that a network was trained with."""
        return RoiConfig(
            network.visual_strides, network.visual_bins, network.visual_samples, network.visual_regions == "all"
        )

    def channels(self, map_channels: Mapping[int, int] = FEATURE_CHANNELS) -> int:
        """Channels of a pooled region."""
        return sum(map_channels[stride] for stride in self.strides)

    def length(self, map_channels: Mapping[int, int] = FEATURE_CHANNELS) -> int:
        """Length of a region's vector (`NetworkConfig.visual_features`)."""
        return self.channels(map_channels) * self.bins**2


class Regions(NamedTuple):
    """Where to look for N people in a batch of B pictures of one shape; all on the maps' device.

    Boxes are x1, y1, x2, y2 in pixels of the source's picture size, in which people and parts are given.
    """

    picture: Tensor
    """int64 [N]: which picture of the batch each person is in."""
    parts: Tensor
    """float32 [N, P, 4]; what an absent part's box shows must not be used."""
    hands: Tensor
    """float32 [N, 2, 4]: around the left and the right hand."""
    hands_present: Tensor
    """bool [N, 2]"""
    scale: Tensor
    """float32 [B, 2]: detector pixels for one source pixel, along x and y (content size / source size)."""
    content: Tensor
    """float32 [B, 2]: width and height of the picture within the slot, in detector pixels; the rest is padding."""


def roi_features(maps: Mapping[int, Tensor], boxes: Tensor, picture: Tensor, config: RoiConfig | None = None) -> Tensor:
    """Pool regions out of the maps: `[R, C, bins, bins]`, the strides' channels one after the other.

    maps: stride → `[B, c, H / stride, W / stride]`; boxes float32 `[R, 4]` in detector pixels; picture int64 `[R]`.
    A region beyond the picture's edge is continued with the edge's values for one cell, then with zeros.
    """
    config = config or RoiConfig()
    used = [maps[stride] for stride in config.strides]
    cells, weights = _cells(used, boxes.float(), picture, config)
    pooled = [
        F.embedding_bag(
            cells[row],
            features.permute(0, 2, 3, 1).flatten(0, 2),  # [B · h · w, c]: a view where channels lie side by side
            mode="sum",
            per_sample_weights=weights[row].to(features.dtype),
        )
        for row, features in enumerate(used)
    ]
    return torch.cat(pooled, 1).view(len(boxes), config.bins, config.bins, -1).permute(0, 3, 1, 2)


def _cells(used: Sequence[Tensor], boxes: Tensor, picture: Tensor, config: RoiConfig) -> tuple[Tensor, Tensor]:
    """The cells that each bin of each region is the weighted sum of, in each of M maps.

    Returns int64 indices into a map's `[B · h · w]` cells and float32 weights, both `[M, R · bins², 4 · samples²]`: the
    four cells around each sample, and nothing of samples more than one cell beyond the map's edge.
    """
    bins, samples, regions = config.bins, config.samples, len(boxes)
    sizes = [(features.shape[3], features.shape[2]) for features in used]
    # All maps and both axes at once, [M, R, 2 axes, points]: many small operations cost more than what they compute.
    host = np.concatenate((np.array(config.strides, np.float32)[:, None], np.array(sizes, np.float32)), 1)
    there = to_device(host, boxes.device)
    strides, last = there[:, :1, None, None], there[:, None, 1:, None] - 1
    points = bins * samples
    share = (torch.arange(points, dtype=torch.float32, device=boxes.device) + 0.5) / points
    # Pixel centres are at half integers on either scale.
    low, high = (boxes.view(regions, 2, 2) / strides - 0.5)[..., None].unbind(2)
    at = low + (high - low) * share
    inside = (at >= -1) & (at <= last + 1)
    at = torch.minimum(torch.where(inside, at, 0).clamp(min=0), last)
    first = at.floor()
    beyond = at - first
    x, y = torch.stack((first, torch.minimum(first + 1, last)), -1).long().unbind(2)
    of_x, of_y = (torch.stack((1 - beyond, beyond), -1) * (inside / samples)[..., None]).unbind(2)
    width, height = (last[:, 0] + 1).long().unbind(1)
    y = (y + (picture * height)[..., None, None]) * width[..., None, None]

    def of_bins(of_rows: Tensor, of_columns: Tensor) -> tuple[Tensor, Tensor]:
        rows = of_rows.reshape(-1, regions, bins, 1, 2 * samples, 1)
        return rows, of_columns.reshape(-1, regions, 1, bins, 1, 2 * samples)

    shape = (len(used), regions * bins * bins, 4 * samples * samples)
    y, x = of_bins(y, x)
    of_y, of_x = of_bins(of_y, of_x)
    return (y + x).view(shape), (of_y * of_x).view(shape)


def person_features(maps: Mapping[int, Tensor], regions: Regions, config: RoiConfig | None = None) -> VisualInput:
    """Each person's parts `[N, P, F]` and objects `[N, 3, F]`: left hand, right hand, the whole picture.

    Where the configuration leaves the parts out, `[N, 0, F]` of them.
    A hand that isn't there is stood in for by the whole picture, which is pooled once a picture, not once a person.
    """
    config = config or RoiConfig()
    of_parts = regions.parts if config.parts else regions.parts[:, :0]
    people, parts = of_parts.shape[:2]
    scale = torch.cat((regions.scale, regions.scale), 1)[regions.picture]  # [N, 4]
    boxes = torch.cat((of_parts, regions.hands), 1) * scale[:, None]  # [N, P + 2, 4]
    of_person = regions.picture[:, None].expand(people, parts + 2)
    whole = torch.cat((torch.zeros_like(regions.content), regions.content), 1)  # [B, 4]
    pictures = torch.arange(len(whole), device=whole.device)
    pooled = roi_features(
        maps, torch.cat((boxes.flatten(0, 1), whole)), torch.cat((of_person.flatten(), pictures)), config
    ).flatten(1)
    of_people, of_pictures = pooled.tensor_split((people * (parts + 2),))
    of_people = of_people.unflatten(0, (people, parts + 2))
    of_pictures = of_pictures[regions.picture][:, None]  # [N, 1, F]
    hands = torch.where(regions.hands_present[..., None], of_people[:, parts:], of_pictures)
    return VisualInput(of_people[:, :parts], torch.cat((hands, of_pictures), 1))
