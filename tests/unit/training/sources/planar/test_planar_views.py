"""Faces and depths of people whose joints are known in 2-D only."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.training.planar_people import person
from training.sources.planar import depths, with_faces

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
