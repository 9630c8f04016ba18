"""The steps of decoding that need no weights."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.detection.movenet.keypoint_decoding import DISTANCE_OFFSET, best_near

ANYWHERE = st.floats(-30, 60, width=32)


@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 20), st.integers(1, 20)), ANYWHERE, ANYWHERE)
def test_the_chosen_cell_has_the_greatest_score_per_distance(
    seed: int, size: tuple[int, int], y: float, x: float
) -> None:
    scores = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(seed))
    found_y, found_x, score = best_near(scores, torch.tensor([[[y, x]]]))
    ratios = [
        [float(scores[0, 0, row, column]) / (((row - y) ** 2 + (column - x) ** 2) ** 0.5 + DISTANCE_OFFSET)
         for column in range(size[1])]
        for row in range(size[0])
    ]  # fmt: skip
    row, column = int(found_y), int(found_x)
    assert ratios[row][column] >= max(map(max, ratios)) * (1 - 1e-5)
    assert score.item() == scores[0, 0, row, column]
