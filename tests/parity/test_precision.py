"""With lower precision the vision networks give nearly the same results; all later stages compute in float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.movenet.movenet import MoveNet
from stages.device.precision import disable_tf32, vision_precision
from stages.packaged_checkpoints import PAPER
from stages.profiles import load_checkpoint, load_profile
from stages.region_extractors import VggRegionExtractor
from stages.region_features.vgg_features import PictureRegions, VggConfig, VggFeatures
from stages.settings import ModelSettings, PipelineSettings
from stream.config import Config
from support.models.footage_frames import frame_of
from support.models.reference_frames import BFLOAT16_CASES, CASES, Case, picture

SURE = 0.25
"""`tracking.activation_score`: people with a lower score start no track."""


def compared(case: Case, precision: torch.dtype, device: str) -> tuple[int, float, float]:
    """Return the number of sure people in float32, and the largest differences of their boxes (pixels) and scores."""
    net = MoveNet.load().to(device)
    pictures = torch.from_numpy(picture(case))[None].to(device)
    exact = net.decode(net(pictures)[1], 32)
    net.precision = precision
    maps, heads = net(pictures)
    assert {tensor.dtype for tensor in (*maps.values(), heads.centre, heads.keypoint_heatmap)} == {torch.float32}
    found = net.decode(heads, 32)
    sure = exact.scores[0] > SURE
    distances = (exact.boxes[0][sure][:, None] - found.boxes[0][None]).abs().amax(-1)
    nearest = distances.argmin(1)
    scores = (exact.scores[0][sure] - found.scores[0][nearest]).abs()
    return int(sure.sum()), float(distances.amin(1).max()), float(scores.max())


@pytest.mark.parametrize("case", BFLOAT16_CASES, ids=lambda case: case.name)
def test_in_bfloat16_sure_people_have_nearly_the_same_boxes_and_scores(case: Case) -> None:
    people, off, score = compared(case, torch.bfloat16, "cpu")
    assert people > 0
    assert off <= 2 and score <= 0.05, f"{people} people, {off:.1f} pixels, {score:.3f}"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_on_cuda_sure_people_have_nearly_the_same_boxes_and_scores(case: Case, precision: torch.dtype) -> None:
    disable_tf32()
    people, off, score = compared(case, precision, "cuda")
    assert people > 0 and off <= 2 and score <= 0.05, f"{people} people, {off:.1f} pixels, {score:.3f}"


LOWER_PRECISION = [
    ("cpu", torch.bfloat16),
    *(
        pytest.param(
            "cuda",
            precision,
            marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
        )
        for precision in (torch.bfloat16, torch.float16)
    ),
]


@pytest.mark.parametrize(("device", "precision"), LOWER_PRECISION)
def test_with_lower_precision_cascade_rcnn_finds_the_same_regions(device: str, precision: torch.dtype) -> None:
    disable_tf32()
    checkpoint = load_checkpoint(PAPER)
    assert checkpoint.detector is not None
    detector = CascadeRCNN.of(checkpoint.detector, checkpoint.vocabulary.parts).to(device)
    frames = [frame_of("sports2d", "demo.mp4", number).reformat(448, 256, "rgb24") for number in (0, 40, 80, 120)]
    shown = torch.from_numpy(np.stack([frame.to_ndarray() for frame in frames])).to(device)
    content = torch.tensor([[448.0, 256.0]], device=device).expand(len(shown), 2)

    def found() -> torch.Tensor:
        maps, heads = detector(shown, content)
        assert {level.dtype for level in maps.values()} == {torch.float32}
        return detector.boxes(heads)

    exact = found()
    detector.precision = precision
    near = found()
    assert near.dtype == torch.float32 and not near[..., :5].equal(exact[..., :5])
    distances: list[float] = []
    for one, other in zip(exact, near, strict=True):
        for row in one[one[:, 4] > 0.3]:
            same = other[(other[:, 5] == row[5]) & (other[:, 4] > 0.2)]
            distances.append(float((same[:, :4] - row[:4]).abs().amax(-1).min()) if len(same) else 1e9)
    assert len(distances) > 10 and max(distances) <= 2


@pytest.mark.parametrize(("device", "precision"), LOWER_PRECISION)
def test_with_lower_precision_vgg_features_are_nearly_the_same(device: str, precision: torch.dtype) -> None:
    disable_tf32()
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


def test_a_detector_from_a_checkpoint_uses_the_configured_precision() -> None:
    model = ModelSettings(device="cpu", threads=1, precision="bfloat16", profile=PAPER)
    pipeline = load_profile(PipelineSettings(model=model))
    assert isinstance(detector := pipeline._detector.networks[0], CascadeRCNN) and detector.precision == torch.bfloat16
    assert isinstance(extractor := pipeline._region_extractor, VggRegionExtractor)
    assert extractor._extractor.precision == torch.bfloat16


def test_auto_is_float32_and_float16_is_rejected_on_a_cpu() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert vision_precision("auto", cpu) == vision_precision("auto", cuda) == torch.float32
    assert vision_precision("bfloat16", cpu) == torch.bfloat16
    assert vision_precision("float16", cuda) == torch.float16
    with pytest.raises(ValueError, match=r"model\.precision"):
        vision_precision("float16", cpu)


def test_float32_on_cuda_is_not_rounded_to_tf32() -> None:
    disable_tf32()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(
    ("chosen", "precision", "pixels"),
    [
        ({"detection": "full"}, torch.float32, "rgb24"),
        ({}, torch.float32, "planes"),
        ({"precision": "bfloat16", "pictures": "device"}, torch.bfloat16, "planes"),
    ],
)
def test_the_configuration_sets_precision_and_picture_format_of_the_model(
    chosen: dict[str, str], precision: torch.dtype, pixels: str
) -> None:
    config = Config.model_validate({"model": {"device": "cpu", "threads": 1, **chosen}})
    pipeline = load_profile(PipelineSettings(model=config.model, window=config.window, tracking=config.tracking))
    assert isinstance(detector := pipeline._detector.networks[0], MoveNet) and detector.precision == precision
    format = pipeline.slot_format((1280, 720), None)
    assert format.pixels == pixels
    assert format.size == ((768, 448) if pixels == "rgb24" else (1280, 720)) and format.content == (768, 432)
