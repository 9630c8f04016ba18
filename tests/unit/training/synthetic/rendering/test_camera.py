"""The renderer's cameras project points as `training.synthetic.sequences.cameras` does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.training.rendered_scenes import build, marker, scene
from training.synthetic.motion.motion import Array
from training.synthetic.motion.movement import upright
from training.synthetic.motion.skeleton import draw_builds, joints
from training.synthetic.rendering.camera import Camera, fitted, look_at
from training.synthetic.rendering.scene import posed_object, render
from training.synthetic.rendering.staging import draw_stage
from training.synthetic.sequences.cameras import look


def viewed(seed: int, count: int = 4, *, held_out: bool | None = None):
    """Return people standing with spread arms, as `training.synthetic.sequences.cameras` sees them: joints [N, 17, 3]
    and points [N, 17, 2]."""
    rng = np.random.default_rng(seed)
    times = np.zeros((count, 1))
    builds = draw_builds(rng, count)
    points, facing = joints(np.stack([upright(row) for row in times]), builds)
    held_out = bool(seed % 2) if held_out is None else held_out
    view = look(rng, points, facing, builds.stature, times, np.ones(count, bool), held_out=held_out)
    return points[:, 0], view.points[:, 0]


def staged(count: int, *, held_out: bool):
    """Return how far each of `count` cameras of `draw_stage` for one person looks down and is rolled, in degrees."""
    points, _ = joints(upright(np.zeros(2))[None], build())
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        stage = draw_stage(rng, [points[0]], [float(build().stature[0])], (352, 288), clutter=0.0, held_out=held_out)
        found.append(angles(stage.camera.at(0.0), points[0]))
    return np.abs(np.array(found)).T


def angles(camera: Camera, points: Array) -> tuple[float, float]:
    """Return how far a camera is above the people whose joints [..., 17, 3] it sees and how far it is rolled, in
    degrees."""
    places = points.reshape(-1, 3)
    away = camera.position - (places.min(0) + places.max(0)) / 2
    above = np.rad2deg(np.arctan2(away[1], np.hypot(away[0], away[2])))
    return float(above), float(np.rad2deg(np.arctan2(camera.axes[0, 1], camera.axes[1, 1])))


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 10_000))
def test_a_camera_fitted_to_a_view_projects_like_the_camera_of_that_view(seed: int) -> None:
    for world, pixels in zip(*viewed(seed)):
        camera = fitted(world, pixels, (320, 256))
        found, depth = camera.project(world)
        assert (depth > 0).all()
        assert np.abs(found - pixels).max() < 1e-3
        assert np.allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-6)


def test_a_marker_at_a_joint_is_drawn_within_a_pixel_of_the_joints_projection() -> None:
    for world, pixels in zip(*viewed(3)):
        low = pixels.min(0) - 20
        size = (int(np.ptp(pixels[:, 0])) + 40, int(np.ptp(pixels[:, 1])) + 40)
        camera = fitted(world, pixels - low, size)
        for joint in (0, 9, 10, 15, 16):
            place = np.concatenate([np.eye(3), world[joint][:, None]], 1)
            drawn = render(scene([], [posed_object(marker(0.02), place)], camera))
            rows, columns = np.nonzero(drawn.owner == 0)
            centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
            assert np.abs(centre - (pixels - low)[joint]).max() < 1.0


def test_a_camera_has_its_target_in_the_middle_and_is_upright() -> None:
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


def test_held_out_cameras_look_down_more_steeply_or_are_rolled_further_than_all_training_cameras() -> None:
    above, roll = staged(300, held_out=False)
    assert above.max() < 45.1 and roll.max() < 8
    seen = zip(*viewed(0, 300, held_out=False), strict=True)
    above, roll = np.array([angles(fitted(world, pixels, (320, 256)), world) for world, pixels in seen]).T
    assert above.max() < 46 and np.abs(roll).max() < 8.1
    above, roll = staged(300, held_out=True)
    low = above < 20
    assert 100 < low.sum() < 200
    assert above[~low].min() > 44.9
    assert roll[low].min() >= 8.99 and roll[low].max() <= 16.01 and roll[~low].max() < 8


def test_rolled_cameras_still_show_a_whole_group() -> None:
    points, _ = joints(upright(np.zeros(2))[None], build())
    group = [points[0] + (x, 0.0, z) for x, z in ((-1.2, 0.0), (0.0, 0.9), (1.2, -0.4))]
    statures = [float(build().stature[0])] * 3
    for seed in range(60):
        rng = np.random.default_rng(seed)
        stage = draw_stage(rng, group, statures, (448, 336), from_above=False, clutter=0.0, held_out=True)
        where, _ = stage.camera.at(0.0).project(np.stack(group)[:, 0])
        assert ((where > 0) & (where < (448, 336))).all(-1).mean() > 0.95


def test_no_camera_can_be_fitted_to_points_in_one_plane() -> None:
    flat = np.random.default_rng(0).normal(size=(12, 3)) * np.array([1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="one plane"):
        fitted(flat, flat[:, [0, 2]], (320, 256))
