"""Pooling of regions as weighted sums of cells against torchvision's operator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.ops import roi_align

from stages.detection.cascade_rcnn.region_pooling import Pooling, Pyramid, gradient_of_map, pool


def pyramid(batch: int = 2, channels: int = 5) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(batch, channels, 96 // stride, 160 // stride, generator=generator) for stride in (4, 8, 16)]
    return [level.contiguous(memory_format=torch.channels_last) for level in maps]


def random_boxes(count: int, seed: int = 0) -> Tensor:
    """Return boxes `[2, count, 4]` from less than a pixel to the whole picture, some thin, some across its edge."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(2, count, 2, generator=generator) * torch.tensor([160.0, 96.0])
    half = torch.exp(torch.rand(2, count, 2, generator=generator) * 6 - 1.5) / 2
    return torch.cat((centre - half, centre + half), -1)


def expected(maps: list[Tensor], boxes: Tensor, pooling: Pooling) -> Tensor:
    """Pool one region after the other, each from its level: `[R, down, across, c]`."""
    pooled: list[Tensor] = []
    for picture, picture_boxes in enumerate(boxes):
        for box in picture_boxes:
            side = float(((box[2] - box[0]) * (box[3] - box[1])).sqrt())
            level = sum(side >= pooling.finest_scale * 2 ** (1 + step) for step in range(len(maps) - 1))
            region = torch.cat((torch.tensor([float(picture)]), box))[None]
            args = (pooling.size, 1 / pooling.strides[level], pooling.samples, pooling.aligned)
            pooled.append(roi_align(maps[level], region, *args)[0].permute(1, 2, 0))
    return torch.stack(pooled)


def close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("fixed", [True, False], ids=["operator", "cells"])
@pytest.mark.parametrize("size", [(7, 7), (3, 2)], ids=str)
def test_regions_of_every_size_and_position_equal_those_of_roi_align(fixed: bool, size: tuple[int, int]) -> None:
    pooling = Pooling((4, 8, 16), size, 0, True, 14.0)
    maps, boxes = pyramid(), random_boxes(150)
    assert (boxes[..., 0] < 0).any() and (boxes[..., 3] > 96).any()
    close(pool(Pyramid(maps), boxes, pooling, fixed), expected(maps, boxes, pooling))


@pytest.mark.parametrize("size", [(7, 7), (3, 2)], ids=str)
def test_gradients_of_regions_of_every_size_and_position_equal_those_of_roi_align(size: tuple[int, int]) -> None:
    boxes = random_boxes(150, seed=2)
    picture = torch.arange(2.0)[:, None, None].expand(-1, 150, 1)
    rois = torch.cat((picture, boxes), -1).flatten(0, 1)
    maps = pyramid()[1].requires_grad_()
    pooled = roi_align(maps, rois, size, 1 / 8, 0, True)
    gradient = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(3))
    (theirs,) = torch.autograd.grad(pooled, maps, gradient)
    close(gradient_of_map(gradient, rois, maps.shape, 1 / 8), theirs)
