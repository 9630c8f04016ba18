"""Objects, stages and camera effects: valid meshes, correct places, and determinism by seed."""

from __future__ import annotations

import numpy as np
import pytest

from support.training.rendered_scenes import OVERHEAD, block, front_camera, person, plain_person, scene, standing_poses
from training.synthetic.motion.motion import POSITION, ROOT
from training.synthetic.motion.skeleton import joints
from training.synthetic.rendering.effects import Effects, develop, draw_effects, meter
from training.synthetic.rendering.objects import (
    CARRIED,
    HELD,
    STANDING,
    between_hands,
    hanging,
    make_backpack,
    make_bag,
    standing,
)
from training.synthetic.rendering.scene import Scene, posed_object, render
from training.synthetic.rendering.staging import FIXED, contacts, draw_stage, moved, place_people
from training.synthetic.rendering.surfaces.mesh import Mesh

MAKERS = {**HELD, **CARRIED, **STANDING, "bag": make_bag, "backpack": make_backpack}


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("name", MAKERS)
def test_objects_have_outward_faces_and_valid_meshes(name: str) -> None:
    for seed in range(3):
        thing = MAKERS[name](np.random.default_rng(seed))
        assert volume(thing.mesh) > 0
        assert thing.mesh.material.max() < len(thing.materials)
        assert np.isfinite(thing.materials).all()


@pytest.mark.parametrize("name", STANDING)
def test_a_standing_object_has_its_foot_on_the_ground(name: str) -> None:
    thing = STANDING[name](np.random.default_rng(1))
    vertices = thing.at(standing(np.array([2.0, 0.0, -1.0]), 0.7))
    assert -0.15 < vertices[:, 1].min() < 0.05
    assert np.abs(vertices[:, [0, 2]].mean(0) - (2.0, -1.0)).max() < 0.5


def test_a_bat_in_the_right_hand_is_drawn_at_the_hand() -> None:
    figure = plain_person()
    transforms = figure.transforms(standing_poses())
    frames = figure.hand_frames(transforms, 1)
    bat = HELD["bat"](np.random.default_rng(0))
    drawn = render(scene([person()], [posed_object(bat, frames[0])]))
    wrist = joints(standing_poses()[None], figure.build)[0][0, 0, 10]
    at = front_camera().project(wrist)[0]
    box = drawn.whole_boxes[1, 0]
    assert box[0] - 6 < at[0] < box[2] + 6 and box[1] - 6 < at[1] < box[3] + 6


def test_a_barbell_passes_through_both_hands_and_a_bag_hangs() -> None:
    left = np.c_[np.eye(3), [0.3, 1.2, -0.4]]
    right = np.c_[np.eye(3), [0.3, 1.3, 0.4]]
    frame = between_hands(left, right)
    assert np.allclose(frame[:, 3], (0.3, 1.25, 0.0))
    assert np.allclose(frame[:, 2] * np.linalg.norm([0.1, 0.8]), (0.0, 0.1, 0.8))
    assert np.linalg.det(frame[:, :3]) == pytest.approx(1.0)
    tilted = np.c_[np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]), [0.0, 0.8, 0.0]]
    assert np.allclose(hanging(tilted)[:, 1], (0, 1, 0))
    assert np.linalg.det(hanging(tilted)[:, :3]) == pytest.approx(1.0)


def test_effects_are_deterministic_by_seed_and_preserve_the_order_of_greys() -> None:
    light = np.linspace(0.0, 1.5, 64, dtype=np.float32)[None, :, None] * np.ones((8, 1, 3), np.float32)
    picture = develop(light, Effects(blur=0.0), 1.0, np.random.default_rng(0))
    assert (np.diff(picture[0, :, 0].astype(int)) >= 0).all() and picture.max() > 200
    for seed in range(6):
        effects = draw_effects(np.random.default_rng(seed))
        first, second = (develop(light, effects, meter(light), np.random.default_rng(1)) for _ in range(2))
        assert first.tobytes() == second.tobytes() and first.shape == (8, 64, 3)


def test_metering_scales_dark_and_bright_scenes_to_the_same_grey() -> None:
    light = np.random.default_rng(0).uniform(0.05, 0.4, (32, 32, 3)).astype(np.float32)
    dark, bright = (develop(k * light, Effects(), meter(k * light), np.random.default_rng(0)) for k in (0.01, 20.0))
    assert abs(float(dark.mean()) - float(bright.mean())) < 2


@pytest.mark.parametrize("seed", range(6))
def test_a_stage_shows_the_people_it_was_drawn_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    figure = plain_person()
    places = place_people(rng, 3)
    poses = [moved(standing_poses(), float(figure.build.leg[0]), at, turn, 0) for at, turn in zip(places, (0, 1, 2))]
    paths = [joints(one[None], figure.build)[0][0] for one in poses]
    stage = draw_stage(rng, paths, [float(figure.build.stature[0])] * 3, (320, 256))
    points, depth = stage.camera.at(0.0).project(np.stack(paths)[:, 0])
    inside = ((points > 0) & (points < (320, 256))).all(-1)
    assert (depth > 0.5).all() and inside.mean() > 0.5
    assert stage.camera.still == (stage.camera.kind == FIXED)
    again = draw_stage(np.random.default_rng(9), paths, [1.7] * 3, (320, 256)).camera.at(0.3)
    other = draw_stage(np.random.default_rng(9), paths, [1.7] * 3, (320, 256)).camera.at(0.3)
    assert np.array_equal(again.position, other.position) and again.focal == other.focal


def test_moving_a_pose_preserves_the_body_and_puts_it_at_the_given_place() -> None:
    figure = plain_person()
    leg = float(figure.build.leg[0])
    poses = moved(standing_poses(3.0, 1.0), leg, np.array([-2.0, 0.5]), 1.2, 0)
    assert np.allclose(poses[0, POSITION][[0, 2]] * leg, (-2.0, 0.5))
    assert np.allclose(np.linalg.norm(poses[:, ROOT], axis=1), 1.0)
    before, after = (joints(p[None], figure.build)[0][0, 0] for p in (standing_poses(), poses))
    assert np.allclose(np.linalg.norm(before[5] - before[16]), np.linalg.norm(after[5] - after[16]))


def test_feet_on_the_ground_darken_it_more_than_feet_in_the_air() -> None:
    points = joints(standing_poses()[None], plain_person().build)[0][0, 0]
    low, high = contacts([points], [1.7]), contacts([points + np.array([0.0, 0.5, 0.0])], [1.7])
    assert (low[:, 3] > high[:, 3]).all()
    lit, dark = (
        render(Scene([], [], (front_camera(), front_camera()), OVERHEAD, scene([], []).surroundings, rows)).light
        for rows in (high, low)
    )
    assert dark.sum() < lit.sum()


def test_a_block_is_red_and_square() -> None:
    drawn = render(scene([], [posed_object(block((-0.1, 0.5, -0.3), (0.1, 1.1, 0.3)), np.eye(3, 4))]))
    x1, y1, x2, y2 = drawn.boxes[0, 0]
    assert abs((x2 - x1) - (y2 - y1)) <= 2
    inside = drawn.light[int(y1) + 2 : int(y2) - 2, int(x1) + 2 : int(x2) - 2]
    assert (inside[..., 0] > 3 * inside[..., 1]).all()
