"""With lower precision the vision networks give nearly the same results; all later stages compute in float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.movenet.movenet import MoveNet
from stages.device.precision import disable_tf32, vision_precision
from stages.packaged_checkpoints import PAPER
from stages.profiles import load_checkpoint, load_profile
from stages.region_extractors import VggRegionExtractor
from stages.region_features.vgg_features import PictureRegions, VggConfig, VggFeatures
from stages.settings import PipelineSettings
from stream.config import Config
from support.models.footage_frames import frame_of
from support.models.reference_frames import BFLOAT16_CASES, CASES, Case, picture

NEEDS_CUDA = (pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))
LOWER_PRECISION = [
    ("cpu", torch.bfloat16),
    *(pytest.param("cuda", precision, marks=NEEDS_CUDA) for precision in (torch.bfloat16, torch.float16)),
]
on_each_device = pytest.mark.parametrize(("device", "precision"), LOWER_PRECISION)


@pytest.fixture(autouse=True)
def _no_tf32() -> None:
    disable_tf32()


def assert_found(exact: Tensor, found: Tensor) -> None:
    """Compare boxes [x1, y1, x2, y2, score]: each of the first is near one of the others, in place and score."""
    away = (exact[:, None, :4] - found[None, :, :4]).abs().amax(-1)
    assert len(exact) > 0 and away.amin(1).max() <= 2
    assert (exact[:, 4] - found[away.argmin(1), 4]).abs().max() <= 0.05


@on_each_device
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sure_people_of_movenet_are_nearly_the_same(case: Case, device: str, precision: torch.dtype) -> None:
    if device == "cpu" and case not in BFLOAT16_CASES:
        pytest.skip("this processor emulates bfloat16")
    net = MoveNet.load().to(device)
    pictures = torch.from_numpy(picture(case))[None].to(device)
    exact = net.decode(net(pictures)[1], 32)
    net.precision = precision
    maps, heads = net(pictures)
    assert {tensor.dtype for tensor in (*maps.values(), heads.centre, heads.keypoint_heatmap)} == {torch.float32}
    assert_found(exact.packed[0][exact.scores[0] > 0.25], net.decode(heads, 32).packed[0])


@on_each_device
def test_the_sure_regions_of_cascade_rcnn_are_nearly_the_same(device: str, precision: torch.dtype) -> None:
    checkpoint = load_checkpoint(PAPER)
    assert checkpoint.detector is not None
    detector = CascadeRCNN.of(checkpoint.detector, checkpoint.vocabulary.parts).to(device)
    frames = [frame_of("sports2d", "demo.mp4", number).reformat(448, 256, "rgb24") for number in (0, 80)]
    shown = torch.from_numpy(np.stack([frame.to_ndarray() for frame in frames])).to(device)
    content = torch.tensor([[448.0, 256.0]], device=device).expand(len(shown), 2)
    exact = detector.boxes(detector(shown, content)[1])
    detector.precision = precision
    maps, heads = detector(shown, content)
    near = detector.boxes(heads)
    assert {level.dtype for level in (*maps.values(), near)} == {torch.float32}
    assert not near[..., :5].equal(exact[..., :5])
    for one, other in zip(exact, near, strict=True):
        for label in one[one[:, 4] > 0.3][:, 5].unique():
            sure = one[(one[:, 4] > 0.3) & (one[:, 5] == label)]
            assert_found(sure, other[(other[:, 5] == label) & (other[:, 4] > 0.2)])


@on_each_device
def test_vgg_features_are_nearly_the_same(device: str, precision: torch.dtype) -> None:
    torch.manual_seed(0)
    features = VggFeatures(VggConfig(channels=8, hidden=64, short_side=128)).to(device).eval().requires_grad_(False)
    boxes = torch.tensor([[0, 0, 256, 256], [40, 30, 90, 200], [100, 100, 130, 125.0]], device=device)
    pictures = torch.from_numpy(picture(CASES[0]))[None].to(device)
    group = PictureRegions(pictures, boxes, torch.zeros(len(boxes), dtype=torch.int64, device=device))
    exact = features([group])
    features.precision = precision
    near = features([group])
    assert near.dtype == torch.float32 and not near.equal(exact)
    assert float((near - exact).abs().max()) <= 0.02 * float(exact.abs().max())


def test_auto_is_float32_without_tf32_and_float16_is_rejected_on_a_cpu() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert vision_precision("auto", cpu) == vision_precision("auto", cuda) == torch.float32
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert vision_precision("bfloat16", cpu) == torch.bfloat16
    assert vision_precision("float16", cuda) == torch.float16
    with pytest.raises(ValueError, match=r"model\.precision"):
        vision_precision("float16", cpu)


@pytest.mark.parametrize(
    ("chosen", "precision", "pixels"),
    [
        ({"detection": "full"}, torch.float32, "rgb24"),
        ({}, torch.float32, "planes"),
        ({"precision": "bfloat16", "pictures": "device"}, torch.bfloat16, "planes"),
        ({"precision": "bfloat16", "profile": PAPER}, torch.bfloat16, "planes"),
    ],
)
def test_the_configuration_sets_precision_and_picture_format_of_the_model(
    chosen: dict[str, str], precision: torch.dtype, pixels: str
) -> None:
    config = Config.model_validate({"model": {"device": "cpu", "threads": 1, **chosen}})
    pipeline = load_profile(PipelineSettings(model=config.model, window=config.window, tracking=config.tracking))
    assert isinstance(detector := pipeline._detector.networks[0], MoveNet | CascadeRCNN)
    assert detector.precision == precision
    if isinstance(extractor := pipeline._region_extractor, VggRegionExtractor):
        assert extractor._extractor.precision == precision
        return
    format = pipeline.slot_format((1280, 720), None)
    assert format.pixels == pixels
    assert format.size == ((768, 448) if pixels == "rgb24" else (1280, 720)) and format.content == (768, 432)
