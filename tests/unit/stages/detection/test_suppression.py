"""Non-maximum suppression in a fixed shape."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.detection.suppression import unsuppressed


def greedy(boxes: list[list[float]], scores: list[float], labels: list[int], threshold: float) -> list[bool]:
    """One row after the other, best first, in float64."""
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


# Whole numbers, and a threshold that no ratio of them is near: then every arithmetic decides alike.
Row = tuple[int, int, int, int, int, int]
rows = st.tuples(
    st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 20), st.integers(0, 2)
)
THRESHOLD = 0.49713


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "torchvision"])
@given(crowd=st.lists(rows, min_size=1, max_size=14))
def test_those_stay_that_a_plain_loop_keeps(crowd: list[Row], fixed: bool) -> None:
    boxes = [[float(x), float(y), float(x + w), float(y + h)] for x, y, w, h, _, _ in crowd]
    # All scores differ but the zeros: which of two equal ones is better is told apart below.
    scores = [(score + row / 100) / 30 if score else 0.0 for row, (*_, score, _) in enumerate(crowd)]
    labels = [label for *_, label in crowd]
    kept = unsuppressed(torch.tensor([boxes]), torch.tensor([scores]), THRESHOLD, torch.tensor([labels]), fixed=fixed)
    assert kept[0].tolist() == greedy(boxes, scores, labels, THRESHOLD)


def crowd(seed: int, count: int = 300) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(2, 10, 1, 2, generator=generator) * 200
    centre = (centre + torch.randn(2, 10, count // 10, 2, generator=generator) * 8).flatten(1, 2)
    half = 10 + torch.rand(2, count, 2, generator=generator) * 15
    return torch.cat((centre - half, centre + half), -1), torch.rand(2, count, generator=generator)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_in_crowds_the_fixed_shape_keeps_what_torchvision_keeps(seed: int, threshold: float) -> None:
    boxes, scores = crowd(seed)
    fixed = unsuppressed(boxes, scores, threshold)
    assert torch.equal(fixed, unsuppressed(boxes, scores, threshold, fixed=False))
    assert 20 < fixed.sum() < fixed.numel() - 20


def test_groups_do_not_suppress_each_other() -> None:
    boxes, scores = crowd(0)
    together = unsuppressed(boxes, scores, 0.5)
    for group in range(2):
        assert torch.equal(unsuppressed(boxes[group : group + 1], scores[group : group + 1], 0.5)[0], together[group])


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "torchvision"])
def test_of_equal_boxes_with_equal_scores_the_first_stays(fixed: bool) -> None:
    boxes = torch.tensor([[[0.0, 0, 4, 4]] * 3])
    assert unsuppressed(boxes, torch.full((1, 3), 0.5), 0.5, fixed=fixed).tolist() == [[True, False, False]]


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "torchvision"])
def test_empty_boxes_neither_stay_by_accident_nor_break_anything(fixed: bool) -> None:
    boxes = torch.tensor([[[1.0, 1, 1, 1], [1.0, 1, 1, 1], [0.0, 0, 4, 4]]])
    assert unsuppressed(boxes, torch.tensor([[0.0, 0.3, 0.4]]), 0.5, fixed=fixed).tolist() == [[False, True, True]]


def test_a_chain_longer_than_the_rounds_leaves_boxes_too_many_and_none_too_few() -> None:
    start = torch.arange(120.0)[:, None] * 3
    boxes = torch.cat((start, torch.zeros(120, 1), start + 10, torch.full((120, 1), 10.0)), 1)[None]
    scores = torch.linspace(1, 0.1, 120)[None]
    fixed, exact = unsuppressed(boxes, scores, 0.5), unsuppressed(boxes, scores, 0.5, fixed=False)
    assert exact.sum() == 60
    assert fixed.sum() > 60 and (fixed | ~exact).all()
    assert torch.equal(fixed[:, :30], exact[:, :30])
