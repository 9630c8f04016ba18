"""2-D clips in statures: people's heights, guesses for unset joints, how people are turned, and the picture's edges."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.training.planar_people import person, pose_clips
from training.sources.planar import person_height, planar_clips


@pytest.mark.parametrize("turn", [0, 60, 90, 180])
@pytest.mark.parametrize("lying", [False, True])
def test_the_height_is_that_of_a_standing_person_from_any_side_and_also_lying(turn: float, lying: bool) -> None:
    height = person_height(person(20, turn=turn, height=170, lying=lying)[..., :2])
    np.testing.assert_allclose(height, 170, rtol=0.06)


def test_one_joint_at_a_wrong_place_does_not_change_the_height() -> None:
    points = person(20, height=170)[..., :2]
    right = person_height(points)
    points[:, 9] += 300
    np.testing.assert_allclose(person_height(points), right, rtol=0.06)


@pytest.mark.parametrize(
    ("turn", "facing", "side"), [(0, 1, 0), (45, 0.7, 0.7), (90, 0, 1), (135, -0.7, 0.7), (180, -1, 0), (270, 0, -1)]
)
@pytest.mark.parametrize("lying", [False, True])
def test_the_turn_to_the_camera_is_seen_from_the_shoulders(
    turn: float, facing: float, side: float, lying: bool
) -> None:
    clips = planar_clips(pose_clips([person(30, turn=turn, lying=lying)], ["stand"]))
    np.testing.assert_allclose(clips.facing, facing, atol=0.25)
    np.testing.assert_allclose(clips.side, side, atol=0.35)


def test_unset_joints_are_guessed_near_their_place_and_count_as_hidden() -> None:
    whole = person(30)
    partial = whole.copy()
    partial[10:20, 9] = np.nan  # a wrist for a while
    partial[:, 16] = np.nan  # an ankle always
    partial[5, [11, 12]] = np.nan  # both hips once
    clips = planar_clips(pose_clips([partial], ["stand"]))
    truth = planar_clips(pose_clips([whole], ["stand"])).points
    assert np.isfinite(clips.points).all()
    assert np.linalg.norm(clips.points - truth, axis=-1).max() < 0.07
    assert not clips.known[10:20, 9].any() and not clips.known[:, 16].any() and not clips.known[5, 11]
    assert clips.known[:10].sum() == 10 * 17 - 10 - 2


def test_joints_at_the_first_pixel_without_a_score_are_unset() -> None:
    keypoints = person(10)
    keypoints[:, 6] = (1.3, 1.3, 0)
    clips = planar_clips(pose_clips([keypoints], ["squat"], size=(480, 360)))
    assert not clips.known[:, 6].any()
    assert np.linalg.norm(clips.points[:, 6] - clips.points[:, 5], axis=-1).max() < 0.3


def test_shares_of_a_picture_become_one_unit_and_the_edges_are_known() -> None:
    pixels = person(10, height=200)
    shares = pixels.copy()
    shares[..., :2] /= (640, 480)
    seen = planar_clips(pose_clips([shares], ["stand"], unit="image: x/width, y/height", size=(640, 480)))
    own = planar_clips(pose_clips([pixels], ["stand"], size=(640, 480)))
    np.testing.assert_allclose(seen.points, own.points, atol=1e-4)
    np.testing.assert_allclose(seen.edges, own.edges, atol=1e-4)
    np.testing.assert_allclose(own.edges[0, 2:], np.array([640, 480]) / 200, rtol=0.06)
    unknown = planar_clips(pose_clips([pixels], ["stand"]))
    assert np.isinf(unknown.edges).all()


def test_an_ankle_at_the_knee_is_hidden() -> None:
    keypoints = person(10)
    keypoints[:, 15, :2] = keypoints[:, 13, :2] + [2, 5]
    clips = planar_clips(pose_clips([keypoints], ["wave"]))
    assert not clips.known[:, 15].any() and clips.known[:, 16].all()
