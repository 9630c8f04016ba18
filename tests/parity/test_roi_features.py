"""RoI features agree with RoIAlign computed sample by sample in float64."""

from __future__ import annotations

import pytest
import torch

from stages.region_features.roi_features import Regions, RoiConfig, person_features, roi_features
from support.models.bilinear import bilinear

CHANNELS = {4: 3, 8: 2, 16: 4}


def random_maps(batch: int, height: int, width: int, seed: int = 0) -> dict[int, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        stride: torch.randn(batch, channels, height // stride, width // stride, generator=generator)
        for stride, channels in CHANNELS.items()
    }


def reference(feature_map: torch.Tensor, box: list[float], stride: int, config: RoiConfig) -> torch.Tensor:
    """Return RoIAlign (aligned) of one region of a map `[c, h, w]`: `[c, bins, bins]` float64."""
    # Pixel centres are at half integers on both scales.
    x1, y1, x2, y2 = (coordinate / stride - 0.5 for coordinate in box)
    step_y, step_x = (y2 - y1) / config.bins, (x2 - x1) / config.bins
    out = torch.zeros(len(feature_map), config.bins, config.bins, dtype=torch.float64)
    for channel, cells in enumerate(feature_map.double().tolist()):
        for row in range(config.bins):
            for column in range(config.bins):
                total = 0.0
                for i in range(config.samples):
                    for j in range(config.samples):
                        y = y1 + (row + (i + 0.5) / config.samples) * step_y
                        x = x1 + (column + (j + 0.5) / config.samples) * step_x
                        total += bilinear(cells, y, x)
                out[channel, row, column] = total / config.samples**2
    return out


@pytest.mark.parametrize("config", [RoiConfig(), RoiConfig((8,), 2, 3)], ids=["default", "one-map"])
def test_pooled_regions_agree_with_roi_align_sample_by_sample(config: RoiConfig) -> None:
    maps = random_maps(3, 96, 128)
    generator = torch.Generator().manual_seed(5)
    corners = torch.rand(40, 2, 2, generator=generator).sort(1).values * torch.tensor([150.0, 120.0]) - 11
    boxes = corners.flatten(1)
    boxes[0] = torch.tensor([0.0, 0.0, 128.0, 96.0])
    boxes[1] = torch.tensor([60.3, 40.2, 64.1, 45.0])  # Smaller than a cell of the coarser maps.
    boxes[2] = torch.tensor([200.0, 150.0, 240.0, 190.0])  # Outside the picture.
    boxes[3] = torch.tensor([30.0, 30.0, 30.0, 30.0])  # Empty.
    picture = torch.arange(40) % 3
    found = roi_features(maps, boxes, picture, config)
    expected = torch.stack(
        [
            torch.cat(
                [reference(maps[stride][picture[r]], boxes[r].tolist(), stride, config) for stride in config.strides]
            )
            for r in range(40)
        ]
    )
    assert found.shape == (40, config.channels(CHANNELS), config.bins, config.bins)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert expected[2].abs().max() == 0
    assert expected[0].abs().max() > 0.1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_pooling_does_not_wait_for_the_device() -> None:
    maps = {stride: one.cuda() for stride, one in random_maps(2, 64, 96).items()}
    boxes = torch.tensor([[4.0, 4.0, 40.0, 40.0]]).repeat(3, 12, 1).cuda()
    regions = Regions(
        torch.tensor([0, 1, 1]).cuda(), boxes[:, :10], boxes[:, 10:], torch.ones(3, 2, dtype=torch.bool).cuda(),
        torch.ones(2, 2).cuda(), torch.full((2, 2), 64.0).cuda(), torch.zeros(2, 2).cuda(),
    )  # fmt: skip
    person_features(maps, regions)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = person_features(maps, regions)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(found.parts).all()
