"""Where the renderer draws points is where `training.cameras` says they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered_scenes import marker, scene

from training.cameras import look
from training.movement import upright
from training.rendering.camera import fitted, look_at
from training.rendering.scene import posed_thing, render
from training.skeleton import draw_builds, joints


def viewed(seed: int):
    """People standing with spread arms, as `training.cameras` sees them: joints [N, 17, 3] and points [N, 17, 2]."""
    rng = np.random.default_rng(seed)
    times = np.zeros((4, 1))
    builds = draw_builds(rng, 4)
    points, facing = joints(np.stack([upright(row) for row in times]), builds)
    view = look(rng, points, facing, builds.stature, times, np.ones(4, bool), held_out=bool(seed % 2))
    return points[:, 0], view.points[:, 0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_camera_fitted_to_a_view_projects_as_training_cameras_does(seed: int) -> None:
    for world, pixels in zip(*viewed(seed)):
        camera = fitted(world, pixels, (320, 256))
        found, depth = camera.project(world)
        assert (depth > 0).all()
        assert np.abs(found - pixels).max() < 1e-3
        assert np.allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-6)


def test_what_is_drawn_at_a_joint_appears_within_a_pixel_of_its_projection() -> None:
    for world, pixels in zip(*viewed(3)):
        low = pixels.min(0) - 20
        size = (int(np.ptp(pixels[:, 0])) + 40, int(np.ptp(pixels[:, 1])) + 40)
        camera = fitted(world, pixels - low, size)
        for joint in (0, 9, 10, 15, 16):
            place = np.concatenate([np.eye(3), world[joint][:, None]], 1)
            drawn = render(scene([], [posed_thing(marker(0.02), place)], camera))
            rows, columns = np.nonzero(drawn.owner == 0)
            centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
            assert np.abs(centre - (pixels - low)[joint]).max() < 1.0


def test_a_camera_has_its_target_in_the_middle_and_up_is_up() -> None:
    camera = look_at(np.array([3.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.0]), focal=200, size=(320, 256))
    (middle, above), depth = camera.project(np.array([[0.0, 1.0, 0.0], [0.0, 1.5, 0.0]]))
    assert np.allclose(middle, (160, 128))
    assert above[1] < 128 and abs(above[0] - 160) < 1e-6
    assert depth[0] == pytest.approx(np.linalg.norm([3, 1, 1]))


def test_a_picture_twice_as_large_shows_everything_twice_as_far_from_its_corner() -> None:
    camera = look_at(np.array([3.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.0]), focal=200, size=(320, 256))
    points = np.array([[0.2, 0.4, 0.1], [0.0, 1.7, -0.3]])
    assert np.allclose(camera.scaled(2).project(points)[0], 2 * camera.project(points)[0])
    assert np.allclose(camera.shifted(np.array([3.0, -1.0])).project(points)[0], camera.project(points)[0] + (3, -1))


def test_points_in_one_plane_do_not_say_where_the_camera_is() -> None:
    flat = np.random.default_rng(0).normal(size=(12, 3)) * np.array([1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="one plane"):
        fitted(flat, flat[:, [0, 2]], (320, 256))
