"""With fewer digits the detector finds the same people, a little beside where it did; all that follows is float32."""

from __future__ import annotations

import pytest
import torch
from movenet_frames import CASES, Case, picture

from stages.detection.movenet import MoveNet
from stages.precision import detector_precision, full_float32
from stages.profiles import load_profile
from stream.config import Config

SURE = 0.25
"""`tracking.activation_score`: people scored below begin no track."""


def compared(case: Case, precision: torch.dtype, device: str) -> tuple[int, float, float]:
    """People that are sure in float32, and the largest difference of their boxes (pixels) and scores."""
    net = MoveNet.load().to(device)
    pictures = torch.from_numpy(picture(case))[None].to(device)
    exact = net.decode(net(pictures)[1], 32)
    net.precision = precision
    maps, heads = net(pictures)
    assert {tensor.dtype for tensor in (*maps.values(), heads.centre, heads.keypoint_heatmap)} == {torch.float32}
    found = net.decode(heads, 32)
    sure = exact.scores[0] > SURE
    off = (exact.boxes[0][sure][:, None] - found.boxes[0][None]).abs().amax(-1)
    nearest = off.argmin(1)
    scores = (exact.scores[0][sure] - found.scores[0][nearest]).abs()
    return int(sure.sum()), float(off.amin(1).max()), float(scores.max())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_bfloat16_sure_people_stay_where_they_are(case: Case) -> None:
    people, off, score = compared(case, torch.bfloat16, "cpu")
    assert people > 0
    assert off <= 2 and score <= 0.05, f"{people} people, {off:.1f} pixels, {score:.3f}"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_on_cuda_sure_people_stay_where_they_are(case: Case, precision: torch.dtype) -> None:
    full_float32()
    people, off, score = compared(case, precision, "cuda")
    assert people > 0 and off <= 2 and score <= 0.05, f"{people} people, {off:.1f} pixels, {score:.3f}"


def test_auto_is_float32_and_a_cpu_has_no_float16() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert detector_precision("auto", cpu) == detector_precision("auto", cuda) == torch.float32
    assert detector_precision("bfloat16", cpu) == torch.bfloat16
    assert detector_precision("float16", cuda) == torch.float16
    with pytest.raises(ValueError, match=r"model\.precision"):
        detector_precision("float16", cpu)


def test_float32_on_cuda_is_not_rounded_to_tf32() -> None:
    full_float32()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(
    ("chosen", "precision", "pixels"),
    [({}, torch.float32, "rgb24"), ({"precision": "bfloat16", "pictures": "device"}, torch.bfloat16, "planes")],
)
def test_what_is_configured_reaches_the_model(chosen: dict[str, str], precision: torch.dtype, pixels: str) -> None:
    config = Config.model_validate({"model": {"device": "cpu", "threads": 1, **chosen}})
    pipeline = load_profile(config.model, config.window, config.tracking)
    assert isinstance(detector := pipeline._finder.detector, MoveNet) and detector.precision == precision
    format = pipeline.slot_format((1280, 720), None)
    assert format.pixels == pixels
    assert format.size == ((768, 448) if pixels == "rgb24" else (1280, 720)) and format.content == (768, 432)
