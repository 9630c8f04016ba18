"""Differences of detections, by examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.runtimes.agreement import BOUNDS, Differences, differences
from stages.runtimes.network import Detected

SURE = 0.25
BFLOAT16 = BOUNDS["bfloat16"]


def people(*scores: float) -> Detected:
    """People side by side, 100 pixels tall, with all keypoints."""
    count = len(scores)
    left = 80.0 * np.arange(count, dtype=np.float32)
    boxes = np.stack([left, np.full(count, 10), left + 40, np.full(count, 110)], -1).astype(np.float32)
    places = np.random.default_rng(1).uniform((5, 15), (35, 105), (17, 2))
    keypoints = np.full((count, 17, 3), 0.8, np.float32)
    keypoints[..., :2] = places + np.stack([left, np.zeros(count)], -1)[:, None]
    return Detected(boxes, np.array(scores, np.float32), np.zeros(count, np.int64), keypoints)


def reason(wanted: Detected, found: Detected) -> str | None:
    return differences([wanted], [found], SURE).reason_against(BFLOAT16)


def test_the_same_people_agree_even_in_another_order() -> None:
    wanted = people(0.9, 0.6, 0.3)
    turned = Detected(wanted.boxes[::-1], wanted.scores[::-1], wanted.labels[::-1], wanted.keypoints[::-1])
    same = differences([wanted, wanted], [wanted, turned], SURE)
    assert same == Differences(
        sure=6, missing=0, extra=0, iou=pytest.approx(1), oks=1, mean_oks=1, score=0, mean_score=0
    )
    assert all(same.reason_against(bounds) is None for bounds in BOUNDS.values())


def test_a_person_who_is_not_found_is_missing() -> None:
    assert reason(people(0.9, 0.6), people(0.9)) == "1 of 2 sure detections are missing, 0 are additional"
    assert reason(people(0.9), people()) == "1 of 1 sure detections are missing, 0 are additional"


def test_a_person_whom_only_the_candidate_finds_is_additional() -> None:
    assert reason(people(0.9), people(0.9, 0.6)) == "0 of 1 sure detections are missing, 1 are additional"
    assert reason(people(0.9), people(0.9, 0.3)) is None, "it is hardly above the threshold"
    assert reason(people(0.9, 0.2), people(0.9, 0.4)) is None, "the reference finds the person, too"


def test_detections_of_another_class_are_not_the_same() -> None:
    wanted = people(0.9)
    found = replace(wanted, labels=np.ones(1, np.int64))
    assert reason(wanted, found) == "1 of 1 sure detections are missing, 1 are additional"


def test_scores_may_not_all_change_a_little_nor_one_of_them_much() -> None:
    wanted = people(0.9, 0.8, 0.7, 0.6, 0.5)
    changed = replace(wanted, scores=wanted.scores - np.array([0, 0, 0, 0, 0.11], np.float32))
    assert reason(wanted, changed) == "a score differs by 0.110, more than 0.1"
    shifted = replace(wanted, scores=wanted.scores - np.float32(0.03))
    assert reason(wanted, shifted) == "scores differ in the mean by 0.030, more than 0.025"


def test_values_that_are_not_numbers_do_not_agree() -> None:
    wanted = people(0.9)
    broken = replace(wanted, boxes=np.full((1, 4), np.nan, np.float32))
    assert reason(wanted, broken) == "1 of 1 sure detections are missing, 1 are additional"
    assert reason(wanted, replace(wanted, scores=np.array([np.nan], np.float32))) is not None
