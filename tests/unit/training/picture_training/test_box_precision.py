"""The average precision of found boxes."""

from __future__ import annotations

import numpy as np
import pytest

from training.picture_training.detector import average_precision

SQUARE, AWAY = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]


def rows(*boxes: list[float]) -> np.ndarray:
    width = len(boxes[0]) if boxes else 5
    return np.array(boxes, np.float32).reshape(-1, width)


def test_precision_is_one_if_exactly_the_true_boxes_are_detected() -> None:
    assert average_precision([rows([*SQUARE, 0.3], [*AWAY, 0.2])], [rows(SQUARE, AWAY)]) == 1


def test_detections_are_ranked_over_all_pictures_and_matched_within_each() -> None:
    found = [rows([*AWAY, 0.9]), rows([*SQUARE, 0.8])]
    assert average_precision(found, [rows(SQUARE), rows(SQUARE)]) == pytest.approx(0.5 * 0.5)


def test_a_second_box_on_the_same_object_is_wrong() -> None:
    twice = [rows([*SQUARE, 0.9], [*SQUARE, 0.8], [*AWAY, 0.7])]
    assert average_precision(twice, [rows(SQUARE, AWAY)]) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_the_precision_at_a_recall_is_the_best_at_that_or_a_greater_one() -> None:
    # right, wrong, right, right: precisions 1, 2/3, 3/4 become 1, 3/4, 3/4.
    found = [rows([*SQUARE, 0.9]), rows([*AWAY, 0.8]), rows([*SQUARE, 0.7]), rows([*SQUARE, 0.6])]
    true = [rows(SQUARE), np.zeros((0, 4), np.float32), rows(SQUARE), rows(SQUARE)]
    assert average_precision(found, true) == pytest.approx((1 + 0.75 + 0.75) / 3)
