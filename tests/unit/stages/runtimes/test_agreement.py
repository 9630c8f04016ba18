"""Differences of detections, by examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

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


def moved(found: Detected, by: NDArray[np.float32]) -> Detected:
    """Move person k to the right by `by[k]` pixels."""
    keypoints = found.keypoints.copy()
    keypoints[..., 0] += by[:, None]
    return replace(found, boxes=found.boxes + by[:, None] * np.array([1, 0, 1, 0], np.float32), keypoints=keypoints)


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


def test_the_differences_are_those_of_the_least_similar_person() -> None:
    wanted = people(0.9, 0.6)
    found = moved(replace(wanted, scores=np.array([0.88, 0.6], np.float32)), np.array([0, 4], np.float32))
    different = differences([wanted], [found], SURE)
    assert different.iou == pytest.approx(36 / 44)
    assert different.score == pytest.approx(0.02) and different.mean_score == pytest.approx(0.01)
    assert different.oks < 1 and different.mean_oks == pytest.approx((1 + different.oks) / 2)


def test_a_person_who_is_not_found_is_missing() -> None:
    assert reason(people(0.9, 0.6), people(0.9)) == "1 of 2 sure detections are missing, 0 are additional"
    assert reason(people(0.9), people()) == "1 of 1 sure detections are missing, 0 are additional"


def test_a_person_of_whom_the_reference_is_not_sure_may_be_missing() -> None:
    assert reason(people(0.9, 0.2), people(0.9)) is None


def test_a_person_whom_only_the_candidate_finds_is_additional() -> None:
    assert reason(people(0.9), people(0.9, 0.6)) == "0 of 1 sure detections are missing, 1 are additional"
    assert reason(people(0.9), people(0.9, 0.3)) is None, "it is hardly above the threshold"
    assert reason(people(0.9, 0.2), people(0.9, 0.4)) is None, "the reference finds the person, too"


def test_detections_of_another_class_are_not_the_same() -> None:
    wanted = people(0.9)
    found = replace(wanted, labels=np.ones(1, np.int64))
    assert reason(wanted, found) == "1 of 1 sure detections are missing, 1 are additional"


def test_objects_without_keypoints_are_compared_by_box_score_and_class() -> None:
    wanted = replace(people(0.9, 0.6), keypoints=np.zeros((2, 0, 3), np.float32))
    assert reason(wanted, wanted) is None
    near = moved(wanted, np.array([8, 0], np.float32))
    assert reason(wanted, near) == "IoU of boxes is 0.667, less than 0.8"


def test_only_keypoints_that_the_reference_sees_are_compared() -> None:
    wanted, found = people(0.9), people(0.9)
    found.keypoints[0, 3, :2] += 60
    assert reason(wanted, found) == "mean OKS of keypoints is 0.941, less than 0.98"
    wanted.keypoints[0, 3, 2] = 0.1
    assert reason(wanted, found) is None


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


def test_pictures_without_sure_people_prove_nothing() -> None:
    assert reason(people(0.2), people(0.2)) == "torch is sure of nothing in the check pictures"


def test_bounds_of_float32_are_stricter() -> None:
    wanted = people(0.9)
    found = moved(wanted, np.array([0.5], np.float32))
    different = differences([wanted], [found], SURE)
    assert different.reason_against(BFLOAT16) is None
    assert different.reason_against(BOUNDS["float32"]) == "IoU of boxes is 0.975, less than 0.99"
