"""2-D clips in statures: people's heights, guesses for unset joints, how people are turned, and the picture's edges."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.training.planar_people import person, pose_clips
from training.sources.planar.planar_clips import person_height, planar_clips


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


def test_the_height_follows_a_person_who_comes_nearer() -> None:
    growth = np.linspace(1, 2, 120, dtype=np.float64)
    height = person_height(person(120, height=100)[..., :2] * growth[:, None, None])
    assert np.corrcoef(height, growth)[0, 1] > 0.99
    np.testing.assert_allclose(height, 100 * growth, rtol=0.2)
    np.testing.assert_allclose(height[45:-45], 100 * growth[45:-45], rtol=0.1)


def test_people_of_any_height_have_joints_in_statures() -> None:
    small, large = (planar_clips(pose_clips([person(10, height=height)], ["stand"])) for height in (40, 400))
    relative = [clips.points - clips.points[:, 11:12] for clips in (small, large)]
    np.testing.assert_allclose(relative[0], relative[1], atol=1e-4)
    assert abs(np.ptp(large.points[0, :, 1]) - 0.9) < 0.08  # from ankle to eye


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


def test_a_moving_limb_is_guessed_where_the_body_is() -> None:
    keypoints = person(30)
    keypoints[..., 0] += 10 * np.arange(30)[:, None]
    truth = planar_clips(pose_clips([keypoints.copy()], ["walk"])).points
    keypoints[5:25, [13, 15]] = np.nan
    clips = planar_clips(pose_clips([keypoints], ["walk"]))
    np.testing.assert_allclose(clips.points, truth, atol=0.01)


def test_joints_at_the_first_pixel_without_a_score_are_unset() -> None:
    keypoints = person(10)
    keypoints[:, 6] = (1.3, 1.3, 0)
    clips = planar_clips(pose_clips([keypoints], ["squat"], size=(480, 360)))
    assert not clips.known[:, 6].any()
    assert np.linalg.norm(clips.points[:, 6] - clips.points[:, 5], axis=-1).max() < 0.3


def test_a_clip_without_any_joint_still_has_finite_points() -> None:
    nothing = np.full((4, 17, 3), np.nan)
    clips = planar_clips(pose_clips([nothing, person(4)], ["", "stand"]))
    assert np.isfinite(clips.points[:, [0, *range(5, 17)]]).all() and np.isfinite(clips.height).all()


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
