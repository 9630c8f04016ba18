"""Distributions become distances, and distances boxes, as in Generalized Focal Loss."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.detection.nanodet.nanodet import decode_maps, distances
from stages.detection.nanodet.nanodet_network import BINS, CLASSES

NEVER = -60.0
"""A logit whose probability is nothing."""


def logits_of(distance: float) -> list[float]:
    """The distribution that training aims at for a distance: its two neighbouring integers, weighted by nearness."""
    low = min(math.floor(distance), BINS - 2)
    logits = [NEVER] * BINS
    for place, share in ((low, low + 1 - distance), (low + 1, distance - low)):
        logits[place] = math.log(share) if share > 0 else NEVER
    return logits


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 20))
def test_distances_equal_the_sum_over_the_bins(seed: int, spread: float) -> None:
    logits = torch.randn(3, 5, 4 * BINS, generator=torch.Generator().manual_seed(seed)) * spread
    found = distances(logits)
    assert found.shape == (3, 5, 4)
    for side in range(4):
        weights = logits[..., side * BINS : (side + 1) * BINS].double().exp()
        mean = sum(weights[..., place] * place for place in range(BINS)) / weights.sum(-1)
        assert (found[..., side] - mean).abs().max() < 1e-4


def map_with(height: int, width: int, cell: tuple[int, int], sides: list[float], label: int, score: float) -> Tensor:
    """A head's map whose only object is at one cell; `sides` in strides."""
    output = torch.zeros(1, CLASSES + 4 * BINS, height, width)
    output[:, :CLASSES] = NEVER
    output[0, label, *cell] = math.log(score / (1 - score))
    output[0, CLASSES:, *cell] = torch.tensor([value for side in sides for value in logits_of(side)])
    return output


@given(
    st.sampled_from([8, 16, 32]),
    st.tuples(st.integers(0, 6), st.integers(0, 9)),
    st.lists(st.floats(0, 10), min_size=4, max_size=4),
    st.integers(0, CLASSES - 1),
    st.floats(0.01, 0.99),
)
def test_a_map_gives_back_the_box_class_and_score_that_it_was_made_from(
    stride: int, cell: tuple[int, int], sides: list[float], label: int, score: float
) -> None:
    boxes, scores = decode_maps([map_with(7, 10, cell, sides, label, score)], [stride])
    assert boxes.shape == (1, 70, 4) and scores.shape == (1, 70, CLASSES)
    assert scores.argmax() == label, "the first row is the best cell"
    assert scores[0, 0, label].item() == pytest.approx(score, abs=1e-5)
    y, x = ((place + 0.5) * stride for place in cell)
    left, top, right, bottom = (side * stride for side in sides)
    expected = [max(x - left, 0), max(y - top, 0), min(x + right, 10 * stride), min(y + bottom, 7 * stride)]
    assert boxes[0, 0].tolist() == pytest.approx(expected, abs=0.01)
