"""Non-maximum suppression with outputs of a fixed size."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.detection.suppression import nms_mask
from support.repository import REPOSITORY


def greedy(boxes: list[list[float]], scores: list[float], labels: list[int], threshold: float) -> list[bool]:
    """Plain non-maximum suppression, best row first, in float64."""
    kept: list[int] = []
    for row in sorted(range(len(boxes)), key=lambda row: -scores[row]):
        if scores[row] > 0 and not any(
            labels[other] == labels[row] and iou(boxes[other], boxes[row]) > threshold for other in kept
        ):
            kept.append(row)
    return [row in kept for row in range(len(boxes))]


def iou(first: list[float], second: list[float]) -> float:
    width = max(0.0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0.0, min(first[3], second[3]) - max(first[1], second[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return width * height / (areas - width * height)


# Integer boxes, and a threshold that is not near any of their ratios, so that rounding cannot change a decision.
Row = tuple[int, int, int, int, int, int]
rows = st.tuples(
    st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 20), st.integers(0, 2)
)
THRESHOLD = 0.49713


@pytest.mark.parametrize("fixed", [True, False], ids=["in rounds", "torchvision"])
@given(crowd=st.lists(rows, min_size=1, max_size=14))
def test_the_mask_equals_that_of_a_plain_loop(crowd: list[Row], fixed: bool) -> None:
    boxes = [[float(x), float(y), float(x + w), float(y + h)] for x, y, w, h, _, _ in crowd]
    # All scores but the zeros differ; equal scores have a test of their own below.
    scores = [(score + row / 100) / 30 if score else 0.0 for row, (*_, score, _) in enumerate(crowd)]
    labels = [label for *_, label in crowd]
    kept = nms_mask(torch.tensor([boxes]), torch.tensor([scores]), THRESHOLD, torch.tensor([labels]), fixed=fixed)
    assert kept[0].tolist() == greedy(boxes, scores, labels, THRESHOLD)


def crowd(seed: int, count: int = 300) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(2, 10, 1, 2, generator=generator) * 200
    centre = (centre + torch.randn(2, 10, count // 10, 2, generator=generator) * 8).flatten(1, 2)
    half = 10 + torch.rand(2, count, 2, generator=generator) * 15
    return torch.cat((centre - half, centre + half), -1), torch.rand(2, count, generator=generator)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_in_crowds_the_fixed_size_mask_equals_torchvisions(seed: int, threshold: float) -> None:
    boxes, scores = crowd(seed)
    fixed = nms_mask(boxes, scores, threshold)
    assert torch.equal(fixed, nms_mask(boxes, scores, threshold, fixed=False))
    assert 20 < fixed.sum() < fixed.numel() - 20


def test_a_start_on_the_cpu_imports_neither_torchvision_nor_transformers() -> None:
    """Their imports take seconds of every start, and only features of a VGG need them."""
    program = (
        "import sys\n"
        "from stages.profiles import load_profile\n"
        "from stages.settings import ModelSettings, PipelineSettings\n"
        "settings = PipelineSettings(model=ModelSettings(device='cpu', threads=1, runtime='torch'))\n"
        "load_profile(settings).warm_up()\n"
        "assert not {'torchvision', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0
