"""VGG features agree with torchvision's modules and with plain loops in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.models import vgg16
from torchvision.ops import roi_align
from torchvision.transforms.v2 import functional as transforms

from stages.region_features.vgg_features import Crop, PictureRegions, VggConfig, VggFeatures, scaled_size
from support.models.bilinear import bilinear

F64 = NDArray[np.float64]
TINY = VggConfig(channels=4, hidden=64, short_side=64)
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def pictures(count: int, width: int, height: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 8, generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255)
    return smooth.permute(0, 2, 3, 1).byte()


def regions(shown: torch.Tensor, count: int, seed: int = 1) -> PictureRegions:
    """Return `count` random boxes; the first is a whole picture, and some reach beyond its edges."""
    generator = torch.Generator().manual_seed(seed)
    height, width = shown.shape[1:3]
    corners = torch.rand(count, 2, 2, generator=generator).sort(1).values * 1.2 - 0.1
    boxes = (corners * torch.tensor([width, height])).flatten(1)
    boxes[:1] = torch.tensor([0, 0, width, height])
    return PictureRegions(shown, boxes, torch.arange(count) % len(shown))


def tiny(config: VggConfig = TINY, **settings: int) -> VggFeatures:
    torch.manual_seed(3)
    made = VggFeatures(config, **settings).eval()
    for name, tensor in made.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(tensor, std=0.1)
    return made


def agree(found: torch.Tensor, expected: torch.Tensor | F64, limit: float = 1e-5) -> None:
    wanted = torch.as_tensor(expected).double()
    assert found.dtype == torch.float32 and found.shape == wanted.shape
    assert (found.double() - wanted).abs().max() <= limit * wanted.abs().max()
    assert wanted.abs().max() > 0


def normalised(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the picture [H, W, 3] as prepared by torchvision's transforms: [3, height, width]."""
    planes = transforms.resize(picture.permute(2, 0, 1).float() / 255, [size[1], size[0]], antialias=True)
    return transforms.normalize(planes, *IMAGENET)


def test_features_agree_with_torchvisions_vgg16_and_roi_align() -> None:
    torch.manual_seed(0)
    theirs = vgg16(weights=None, init_weights=False).eval()
    for layer in theirs.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    ours = VggFeatures(VggConfig(short_side=64)).eval()
    ours.features.load_state_dict(theirs.features[:-1].state_dict())
    ours.fc6.load_state_dict(theirs.classifier[0].state_dict())  # pyright: ignore
    ours.fc7.load_state_dict(theirs.classifier[3].state_dict())  # pyright: ignore
    groups = [regions(pictures(2, 96, 64), 5), regions(pictures(1, 150, 130, seed=4), 3, seed=5)]
    expected = []
    with torch.inference_mode():
        for group in groups:
            height, width = group.pictures.shape[1:3]
            size = scaled_size((width, height), 64)
            planes = torch.stack([normalised(picture, size) for picture in group.pictures])
            scale = torch.tensor([size[0] / width, size[1] / height] * 2)
            rois = torch.cat((group.picture[:, None].float(), group.boxes * scale), 1)
            pooled = roi_align(theirs.features[:-1](planes), rois, 7, 1 / 16, 2, True)
            expected.append(theirs.classifier[:6](pooled.flatten(1)))
        found = ours(groups)
    assert found.shape == (8, 4096)
    agree(found, torch.cat(expected))


def plain_trunk(weights: dict[str, F64], picture: F64) -> F64:
    """Return conv5_3 of a picture [3, H, W]: 3x3 convolutions with zero padding, ReLU, and 2x2 max pooling."""
    planes = picture
    layer = 0
    for stage, convolutions in enumerate((2, 2, 3, 3, 3)):
        if stage:
            channels, height, width = planes.shape
            planes = planes.reshape(channels, height // 2, 2, width // 2, 2).max((2, 4))
            layer += 1
        for _ in range(convolutions):
            weight, bias = weights[f"features.{layer}.weight"], weights[f"features.{layer}.bias"]
            height, width = planes.shape[1:]
            edged = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
            out = np.repeat(np.repeat(bias[:, None, None], height, 1), width, 2)
            for row in range(3):
                for column in range(3):
                    seen = edged[:, row : row + height, column : column + width]
                    out = out + np.einsum("oi,ihw->ohw", weight[:, :, row, column], seen)
            planes = np.maximum(out, 0)
            layer += 2
    return planes


def plain_feature(weights: dict[str, F64], planes: F64, box: list[float]) -> F64:
    """Return the feature of a box in pixels of the scaled picture: RoIAlign sample by sample, then fc6 and fc7."""
    x1, y1, x2, y2 = (coordinate / 16 - 0.5 for coordinate in box)
    pooled = np.zeros((len(planes), 7, 7))
    for channel, cells in enumerate(planes.tolist()):
        for row in range(7):
            for column in range(7):
                for i in range(2):
                    for j in range(2):
                        y = y1 + (row + (i + 0.5) / 2) * (y2 - y1) / 7
                        x = x1 + (column + (j + 0.5) / 2) * (x2 - x1) / 7
                        pooled[channel, row, column] += bilinear(cells, y, x) / 4
    feature = pooled.ravel()
    for name in ("fc6", "fc7"):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        feature = np.array([max((weight[j] * feature).sum() + bias[j], 0.0) for j in range(len(bias))])
    return feature


def test_a_narrow_network_agrees_with_plain_loops() -> None:
    extractor = tiny()
    weights = {name: tensor.double().numpy() for name, tensor in extractor.state_dict().items()}
    group = regions(pictures(2, 96, 64), 5)
    mean, std = (np.array(values)[:, None, None] for values in IMAGENET)
    expected = []
    maps = [
        plain_trunk(weights, (picture.double().permute(2, 0, 1).numpy() / 255 - mean) / std)
        for picture in group.pictures
    ]
    for box, picture in zip(group.boxes.double().tolist(), group.picture.tolist(), strict=True):
        expected.append(plain_feature(weights, maps[picture], box))
    with torch.inference_mode():
        found = extractor([group])
    agree(found, np.stack(expected))


def test_features_are_differentiable_and_have_dropout_only_in_training() -> None:
    extractor = tiny()
    group = regions(pictures(1, 64, 64), 3)
    assert torch.equal(extractor([group]), extractor([group]))
    extractor.train()
    assert not torch.equal(extractor([group]), extractor([group])), "dropout"
    extractor([group]).square().sum().backward()
    for name, weight in extractor.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


def test_half_precision_is_close_and_pools_boxes_exactly() -> None:
    group = regions(pictures(1, 320, 64), 12)
    exact = tiny()
    half = tiny().to(torch.bfloat16)
    with torch.inference_mode():
        agree(half([group]), exact([group]), limit=0.03)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1280, 720), (448, 256)), ((640, 360), (448, 256)), ((720, 1280), (256, 448)),
        ((256, 256), (256, 256)), ((64, 48), (336, 256)), ((3000, 10), (1024, 256)),
    ],
)  # fmt: skip
def test_the_shorter_side_becomes_256_and_the_other_a_multiple_of_16(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert scaled_size(size, 256) == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_features_do_not_wait_for_the_device() -> None:
    extractor = tiny().cuda()
    there = regions(pictures(2, 96, 64), 5)
    group = PictureRegions(there.pictures.cuda(), there.boxes.cuda(), there.picture.cuda(), Crop(8, 0, 64))
    with torch.inference_mode():
        extractor([group])
        torch.cuda.set_sync_debug_mode("error")
        try:
            found = extractor([group])
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(found).all()
