"""Who is looked at a second time, and when the second look's keypoints are taken."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.detection.second_look import Need, needs, with_second_look
from stages.detection.views.covering import Box

CLEAR: Box = (100, 100, 180, 300)
SMALL: Box = (400, 100, 416, 140)
ELSEWHERE: Box = (600, 100, 680, 300)


def keypoints_in(box: Box, score: float) -> NDArray[np.float32]:
    """Keypoints `[17, 3]` whose box is about `box`."""
    width, height = box[2] - box[0], box[3] - box[1]
    inside = np.linspace(0.1, 0.9, 17)
    return np.stack([box[0] + width * inside, box[1] + height * inside, np.full(17, score)], -1).astype(np.float32)


def row(box: Box, keypoint_score: float, score: float = 0.4) -> NDArray[np.float32]:
    return np.concatenate([box, [score], keypoints_in(box, keypoint_score).ravel()])[None].astype(np.float32)


def rows(*people: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((0, 56), np.float32), *people])


def test_large_people_whom_the_first_look_shows_clearly_need_none() -> None:
    assert needs(rows(row(CLEAR, 0.6), row(ELSEWHERE, 0.5)), [CLEAR], 1.0) == []


def test_expected_people_who_are_not_found_come_first_then_the_neediest() -> None:
    found = needs(rows(row(CLEAR, 0.25), row(SMALL, 0.1)), [ELSEWHERE, CLEAR], 1.0)
    assert [(need.row, need.box) for need in found] == [(None, ELSEWHERE), (1, SMALL), (0, CLEAR)]


@pytest.mark.parametrize(
    "people",
    [
        [row((100, 100, 300, 180), 0.29)],
        [row(CLEAR, 0.25)],
        [row(CLEAR, 0.6), row((120, 100, 200, 300), 0.6)],
        [row((100, 100, 130, 170), 0.6)],
    ],
    ids=["lying", "unsure", "overlapping", "small"],
)
def test_people_whom_the_first_look_shows_badly_need_one(people: list[NDArray[np.float32]]) -> None:
    assert {need.row for need in needs(rows(*people), [], 1.0)} == set(range(len(people)))


def test_surer_keypoints_replace_a_persons_and_the_box_stays() -> None:
    people = rows(row(CLEAR, 0.2), row(ELSEWHERE, 0.2))
    better = keypoints_in(CLEAR, 0.5) + np.array([2, 2, 0], np.float32)
    found = with_second_look(people, [(Need(0, CLEAR, 1), better)])
    assert np.array_equal(found[0, 5:], better.ravel()) and np.array_equal(found[0, :5], people[0, :5])
    assert np.array_equal(found[1], people[1])


@pytest.mark.parametrize(
    "keypoints",
    [keypoints_in(CLEAR, 0.1), keypoints_in((170, 100, 250, 300), 0.9)],
    ids=["less sure", "another person's"],
)
def test_keypoints_that_are_less_sure_or_another_persons_are_not_taken(keypoints: NDArray[np.float32]) -> None:
    people = rows(row(CLEAR, 0.2), row((170, 100, 250, 300), 0.5))
    assert np.array_equal(with_second_look(people, [(Need(0, CLEAR, 1), keypoints)]), people)


def test_somebody_who_was_not_found_is_added_where_the_second_look_is_sure() -> None:
    people = rows(row(CLEAR, 0.6))
    sure, unsure = keypoints_in(ELSEWHERE, 0.4), keypoints_in(ELSEWHERE, 0.29)
    added = with_second_look(people, [(Need(None, ELSEWHERE, 2), sure)])
    assert added.shape == (2, 56) and added[1, 4] == pytest.approx(0.4)
    assert np.abs(added[1, :4] - np.array(ELSEWHERE)).max() < 10
    assert len(with_second_look(people, [(Need(None, ELSEWHERE, 2), unsure)])) == 1
