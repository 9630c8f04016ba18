"""People in 2-D keypoints: their clips in statures, the states that their joints show, and their views."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.vocabulary import packaged
from tests.support.training.planar_people import person, pose_clips
from training.sources.planar import depths, person_height, planar_clips, visible_states, with_faces


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


VOCABULARY = packaged("edge")
ALL = np.ones((1, 1, 17), dtype=bool)
STILL = np.zeros((1, 1), dtype=bool)


def state_of(points: NDArray[np.float64], part: str, state: str, known: NDArray[np.bool_] = ALL) -> bool | None:
    """Return a state of one person [17, 2], None if unknown."""
    states, decided = visible_states(VOCABULARY, points[None, None], known, STILL)
    place = (0, 0, VOCABULARY.part_index(part), VOCABULARY.state_index(state))
    return bool(states[place]) if decided[place] else None


def with_left_arm(elbow: tuple[float, float], wrist: tuple[float, float]) -> NDArray[np.float64]:
    """Return a person of height 1 with the left elbow and wrist at an offset from the left shoulder."""
    points = person(1, height=1.0)[0, :, :2]
    points[7], points[9] = points[5] + elbow, points[5] + wrist
    return points


def test_an_arm_in_the_picture_plane_is_bent_or_not() -> None:
    assert state_of(with_left_arm((0.17, 0.0), (0.17, -0.15)), "left_arm", "bend") is None  # 90°: not sure enough
    assert state_of(with_left_arm((0.17, 0.0), (0.08, -0.12)), "left_arm", "bend") is True
    assert state_of(with_left_arm((0.0, 0.17), (0.0, 0.32)), "left_arm", "bend") is False


def test_an_arm_that_looks_short_or_is_hidden_has_no_known_bend() -> None:
    assert state_of(with_left_arm((0.08, 0.0), (0.04, -0.06)), "left_arm", "bend") is None
    hidden = ALL.copy()
    hidden[..., 9] = False
    assert state_of(with_left_arm((0.0, 0.17), (0.0, 0.32)), "left_arm", "bend", hidden) is None


def test_a_hand_is_raised_or_not_only_if_clearly_so() -> None:
    assert state_of(with_left_arm((0.1, -0.1), (0.1, -0.25)), "left_hand", "raise") is True
    assert state_of(with_left_arm((0.1, 0.1), (0.1, 0.25)), "left_hand", "raise") is False
    assert state_of(with_left_arm((0.15, 0.0), (0.3, -0.05)), "left_hand", "raise") is None


def test_nothing_is_known_of_the_hands_of_a_person_who_lies() -> None:
    lying = person(1, height=1.0, lying=True)[0, :, :2]
    assert state_of(lying, "left_hand", "raise") is None


FACE = slice(0, 5)


def turned(turn: float, frames: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return joints in statures, facing and side of a person at a turn in degrees, [1, T, …]."""
    points = person(frames, turn=turn, height=1.0)[None, ..., :2]
    angle = np.deg2rad(np.full((1, frames), turn))
    return points, np.cos(angle), np.sin(angle)


@pytest.mark.parametrize("turn", [0, 60, 90, 180, 300])
def test_the_face_of_a_head_known_by_one_point_is_where_a_face_is(turn: float) -> None:
    truth, facing, side = turned(turn)
    points = truth.copy()
    points[:, :, 0] = truth[:, :, FACE].mean(2)
    points[:, :, 1:5] = np.nan
    made = with_faces(np.random.default_rng(0), points, facing, side, np.full(facing.shape, 0.1))
    assert np.isfinite(made).all()
    np.testing.assert_array_equal(made[:, :, 5:], points[:, :, 5:])
    # On average over the turns of the head, the face looks where the chest does.
    assert np.linalg.norm(made[:, :, FACE].mean(1) - truth[:, :, FACE].mean(1), axis=-1).max() < 0.03
    assert np.linalg.norm(made[:, :, FACE] - truth[:, :, FACE], axis=-1).max() < 0.12


def test_points_of_a_face_that_were_detected_stay_and_the_others_join_them() -> None:
    truth, facing, side = turned(20)
    points = truth.copy()
    points[:, ::2, 4] = np.nan
    made = with_faces(np.random.default_rng(0), points, facing, side, np.full(facing.shape, 0.1))
    set_ = np.isfinite(points)
    np.testing.assert_array_equal(made[set_], points[set_])
    assert np.linalg.norm(made[:, :, 4] - truth[:, :, 4], axis=-1).mean() < 0.03


def test_the_side_turned_away_and_hands_before_the_body_seen_from_behind_are_farther() -> None:
    points, facing, side = turned(90, 1)
    depth = depths(points, facing, side)
    assert (depth[..., 5::2] > depth[..., 6::2]).all()  # left from right
    points, facing, side = turned(180, 1)
    points[:, :, 9] = points[:, :, 7] + [0.0, 0.02]  # the forearm reaches ahead
    depth = depths(points, facing, side)
    assert depth[0, 0, 9] > depth[0, 0, 5] + 0.2
    assert depths(points, -facing, side)[0, 0, 9] < depth[0, 0, 5] - 0.2
