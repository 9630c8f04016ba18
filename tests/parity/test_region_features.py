"""Features of regions agree with torchvision: those of VGG-16, those of a detector's maps, and pooling by cells."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models import vgg16
from torchvision.ops import roi_align
from torchvision.transforms.v2 import functional as transforms

from stages.detection.cascade_rcnn.region_pooling import Pooling, Pyramid, gradient_of_map, pool
from stages.region_features.roi_features import Regions, RoiConfig, person_features, roi_features
from stages.region_features.vgg_features import Crop, PictureRegions, VggConfig, VggFeatures, scaled_size

TINY = VggConfig(channels=4, hidden=64, short_side=64)
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CHANNELS = {4: 3, 8: 2, 16: 4}
gpu = pytest.mark.gpu
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def agree(found: Tensor, expected: Tensor, limit: float = 1e-5) -> None:
    assert found.dtype == torch.float32 and found.shape == expected.shape
    assert (found.double() - expected.double()).abs().max() <= limit * expected.abs().max()
    assert expected.abs().max() > 0


def regions(count: int, width: int, height: int, boxes: int, seed: int) -> PictureRegions:
    """Return smooth pictures with random boxes; the first is a whole picture, and some reach beyond its edges."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 8, generator=generator) * 255
    shown = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255)
    corners = torch.rand(boxes, 2, 2, generator=generator).sort(1).values * 1.2 - 0.1
    placed = (corners * torch.tensor([width, height])).flatten(1)
    placed[:1] = torch.tensor([0, 0, width, height])
    return PictureRegions(shown.permute(0, 2, 3, 1).byte(), placed, torch.arange(boxes) % count)


def tiny() -> VggFeatures:
    torch.manual_seed(3)
    return VggFeatures(TINY).eval()


def test_vgg_features_agree_with_torchvisions_vgg16_and_roi_align() -> None:
    torch.manual_seed(0)
    theirs: Any = vgg16(weights=None, init_weights=False).eval()
    for layer in theirs.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    ours = VggFeatures(VggConfig(short_side=64)).eval()
    ours.features.load_state_dict(theirs.features[:-1].state_dict())
    ours.fc6.load_state_dict(theirs.classifier[0].state_dict())
    ours.fc7.load_state_dict(theirs.classifier[3].state_dict())
    groups = [regions(2, 96, 64, 5, seed=1), regions(1, 150, 130, 3, seed=5)]
    expected = []
    with torch.inference_mode():
        for group in groups:
            height, width = group.pictures.shape[1:3]
            size = scaled_size((width, height), 64)
            planes = transforms.resize(group.pictures.permute(0, 3, 1, 2).float() / 255, [size[1], size[0]])
            scale = torch.tensor([size[0] / width, size[1] / height] * 2)
            rois = torch.cat((group.picture[:, None].float(), group.boxes * scale), 1)
            maps = theirs.features[:-1](transforms.normalize(planes, *IMAGENET))
            expected.append(theirs.classifier[:6](roi_align(maps, rois, 7, 1 / 16, 2, True).flatten(1)))
        found = ours(groups)
    assert found.shape == (8, 4096)
    agree(found, torch.cat(expected))


def test_vgg_features_are_differentiable_and_have_dropout_only_in_training() -> None:
    extractor, group = tiny(), regions(1, 64, 64, 3, seed=1)
    assert torch.equal(extractor([group]), extractor([group]))
    extractor.train()
    assert not torch.equal(extractor([group]), extractor([group])), "dropout"
    extractor([group]).square().sum().backward()
    for name, weight in extractor.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


def test_in_half_precision_boxes_are_pooled_exactly() -> None:
    group = regions(1, 320, 64, 12, seed=1)
    with torch.inference_mode():
        agree(tiny().to(torch.bfloat16)([group]), tiny()([group]), limit=0.03)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1280, 720), (448, 256)), ((720, 1280), (256, 448)), ((64, 48), (336, 256)), ((3000, 10), (1024, 256))],
)
def test_the_shorter_side_becomes_256_and_the_other_a_multiple_of_16(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert scaled_size(size, 256) == expected


@pytest.mark.parametrize("config", [RoiConfig(), RoiConfig((8,), 2, 3)], ids=["default", "one-map"])
def test_features_of_a_detectors_maps_agree_with_roi_align(config: RoiConfig) -> None:
    generator = torch.Generator().manual_seed(5)
    maps = {
        stride: torch.randn(3, channels, 96 // stride, 128 // stride, generator=generator)
        for stride, channels in CHANNELS.items()
    }
    corners = torch.rand(40, 2, 2, generator=generator).sort(1).values * torch.tensor([150.0, 120.0]) - 11
    boxes = corners.flatten(1)
    boxes[0] = torch.tensor([0.0, 0.0, 128.0, 96.0])
    boxes[1] = torch.tensor([60.3, 40.2, 64.1, 45.0])  # Smaller than a cell of the coarser maps.
    boxes[2] = torch.tensor([200.0, 150.0, 240.0, 190.0])  # Outside the picture.
    boxes[3] = torch.tensor([30.0, 30.0, 30.0, 30.0])  # Empty.
    picture = torch.arange(40) % 3
    rois = torch.cat((picture[:, None].double(), boxes.double()), 1)
    expected = [
        roi_align(maps[stride].double(), rois, config.bins, 1 / stride, config.samples, True)
        for stride in config.strides
    ]
    found = roi_features(maps, boxes, picture, config)
    assert found.shape == (40, config.channels(CHANNELS), config.bins, config.bins)
    agree(found, torch.cat(expected, 1))
    assert not found[2].any()


def pyramid() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 5, 96 // stride, 160 // stride, generator=generator) for stride in (4, 8, 16)]
    return [level.contiguous(memory_format=torch.channels_last) for level in maps]


def random_boxes(count: int, seed: int = 0) -> Tensor:
    """Return boxes `[2, count, 4]` from less than a pixel to the whole picture, some thin, some across its edge."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(2, count, 2, generator=generator) * torch.tensor([160.0, 96.0])
    half = torch.exp(torch.rand(2, count, 2, generator=generator) * 6 - 1.5) / 2
    return torch.cat((centre - half, centre + half), -1)


def pooled_one_by_one(maps: list[Tensor], boxes: Tensor, pooling: Pooling) -> Tensor:
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


@pytest.mark.parametrize("size", [(7, 7), (3, 2)], ids=str)
def test_pooling_by_cells_and_its_gradient_equal_those_of_roi_align(size: tuple[int, int]) -> None:
    pooling = Pooling((4, 8, 16), size, 0, True, 14.0)
    maps, boxes = pyramid(), random_boxes(150)
    assert (boxes[..., 0] < 0).any() and (boxes[..., 3] > 96).any()
    for fixed in (True, False):
        agree(pool(Pyramid(maps), boxes, pooling, fixed), pooled_one_by_one(maps, boxes, pooling))

    rois = torch.cat((torch.arange(2.0)[:, None, None].expand(-1, 150, 1), boxes), -1).flatten(0, 1)
    level = maps[1].requires_grad_()
    pooled = roi_align(level, rois, size, 1 / 8, 0, True)
    gradient = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(3))
    (theirs,) = torch.autograd.grad(pooled, level, gradient)
    agree(gradient_of_map(gradient, rois, level.shape, 1 / 8), theirs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_features_do_not_wait_for_the_device() -> None:
    extractor, there = tiny().cuda(), regions(2, 96, 64, 5, seed=1)
    group = PictureRegions(there.pictures.cuda(), there.boxes.cuda(), there.picture.cuda(), Crop(8, 0, 64))
    maps = {
        stride: torch.randn(2, channels, 64 // stride, 96 // stride).cuda() for stride, channels in CHANNELS.items()
    }
    boxes = torch.tensor([[4.0, 4.0, 40.0, 40.0]]).repeat(3, 12, 1).cuda()
    of_people = Regions(
        torch.tensor([0, 1, 1]).cuda(), boxes[:, :10], boxes[:, 10:], torch.ones(3, 2, dtype=torch.bool).cuda(),
        torch.ones(2, 2).cuda(), torch.full((2, 2), 64.0).cuda(), torch.zeros(2, 2).cuda(),
    )  # fmt: skip

    def found() -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            return extractor([group]), person_features(maps, of_people).parts

    found()
    torch.cuda.set_sync_debug_mode("error")
    try:
        features = found()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.isfinite(one).all() for one in features)
