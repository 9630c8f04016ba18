"""Distributions become distances, and distances boxes, as in Generalized Focal Loss."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.detection.nanodet.box_decoding import boxes_around, cell_centres, decode_maps, distances
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


def test_the_distance_is_the_mean_of_its_distribution() -> None:
    def distance(*logits: float) -> float:
        return distances(torch.tensor([[*logits, *[NEVER] * (BINS - len(logits))] * 4]))[0, 0].item()

    assert distance(0.0) == pytest.approx(0)
    assert distance(NEVER, NEVER, 3.0) == pytest.approx(2)
    assert distance(1.0, 1.0) == pytest.approx(0.5)
    assert distance(0.0, NEVER, NEVER, math.log(3)) == pytest.approx(2.25), "one part at 0, three at 3"
    assert distances(torch.zeros(1, 4 * BINS)).tolist() == [[pytest.approx(5)] * 4], "all bins alike"


@given(st.lists(st.floats(0, 10), min_size=4, max_size=4))
def test_every_distance_from_0_to_10_has_a_distribution_of_two_neighbours(sides: list[float]) -> None:
    logits = torch.tensor([[value for side in sides for value in logits_of(side)]])
    assert distances(logits)[0].tolist() == pytest.approx(sides, abs=1e-4)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 20))
def test_distances_equal_the_sum_over_the_bins(seed: int, spread: float) -> None:
    logits = torch.randn(3, 5, 4 * BINS, generator=torch.Generator().manual_seed(seed)) * spread
    found = distances(logits)
    assert found.shape == (3, 5, 4)
    for side in range(4):
        weights = logits[..., side * BINS : (side + 1) * BINS].double().exp()
        mean = sum(weights[..., place] * place for place in range(BINS)) / weights.sum(-1)
        assert (found[..., side] - mean).abs().max() < 1e-4


def test_a_cells_centre_is_in_its_middle_and_cells_are_counted_by_rows() -> None:
    assert cell_centres(2, 3, 8, torch.device("cpu")).tolist() == [
        [4, 4],
        [12, 4],
        [20, 4],
        [4, 12],
        [12, 12],
        [20, 12],
    ]


def test_distances_are_to_the_left_top_right_and_bottom() -> None:
    box = boxes_around(torch.tensor([40.0, 60.0]), torch.tensor([1.0, 2.0, 3.0, 4.0]), (100, 100))
    assert box.tolist() == [39, 58, 43, 64]


def test_boxes_end_at_the_edges_of_the_picture() -> None:
    box = boxes_around(torch.tensor([4.0, 28.0]), torch.tensor([9.0, 40.0, 90.0, 9.0]), (32, 64))
    assert box.tolist() == [0, 0, 64, 32]


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


def test_the_best_cells_of_all_strides_are_decoded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = [
        map_with(8, 12, (1, 2), [1, 1, 1, 1], 3, 0.6),
        map_with(4, 6, (3, 5), [2, 2, 1, 1], 4, 0.9),
        map_with(2, 3, (0, 1), [0, 0, 2, 3], 5, 0.3),
    ]
    every = decode_maps(maps, [8, 16, 32])
    assert every[0].shape == (1, 96 + 24 + 6, 4)
    monkeypatch.setattr("stages.detection.nanodet.box_decoding.CELLS", 3)
    boxes, scores = decode_maps(maps, [8, 16, 32])
    assert torch.equal(boxes, every[0][:, :3]) and torch.equal(scores, every[1][:, :3])
    assert scores[0].argmax(1).tolist() == [4, 3, 5]
    expected = [[56, 24, 96, 64], [12, 4, 28, 20], [48, 16, 96, 64]]
    assert boxes[0].flatten().tolist() == pytest.approx([side for box in expected for side in box], abs=0.01)
