"""Bodies follow the skeleton, stand on the ground and hold objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.third_party import weights
from support.training.rendered_scenes import build, front_camera, plain_person, random_figure, scene, standing_poses
from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.movement import ACTIONS
from training.synthetic.motion.skeleton import joints
from training.synthetic.rendering.bodies.body_model import BONE_INDEX, BodyError, load_body
from training.synthetic.rendering.bodies.body_regions import PART_COUNT
from training.synthetic.rendering.bodies.figure import draw_figure
from training.synthetic.rendering.bodies.posing import Hands
from training.synthetic.rendering.scene import posed_person, render
from training.synthetic.sequences.scenes import draw_scene

BONE_AT = {
    5: "upperarm_l", 6: "upperarm_r", 7: "lowerarm_l", 8: "lowerarm_r", 9: "hand_l", 10: "hand_r", 11: "thigh_l",
    12: "thigh_r", 13: "calf_l", 14: "calf_r", 15: "foot_l", 16: "foot_r",
}  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
def test_the_meshs_joints_are_at_the_skeletons_joints(action: str) -> None:
    rng = np.random.default_rng(5)
    library = MotionLibrary(weights.locate("motion"))
    times = np.arange(0.0, 2.0, 0.2)
    figure = random_figure(1)
    poses = draw_scene(rng, library, times, held_out=False, action=action).poses
    points, _ = joints(poses[None], figure.build)
    transforms = figure.transforms(poses)
    assert np.isfinite(transforms).all()
    for keypoint, bone in BONE_AT.items():
        index = BONE_INDEX[bone]
        head = np.append(figure.rest.heads[index], 1.0)
        assert np.abs(transforms[:, index] @ head - points[0, :, keypoint]).max() < 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_a_standing_person_has_their_soles_on_the_ground_and_the_stature_of_their_build(seed: int) -> None:
    figure = random_figure(seed)
    vertices = figure.vertices(figure.transforms(standing_poses(count=1))[0])
    assert -0.03 < vertices[:, 1].min() < 0.03
    assert vertices[:, 1].max() == pytest.approx(float(figure.build.stature[0]), rel=0.06)


def test_meshes_have_valid_indices_and_finite_values() -> None:
    for seed in range(3):
        mesh = random_figure(seed).mesh
        assert mesh.triangles.min() >= 0 and mesh.triangles.max() < len(mesh.vertices)
        assert set(np.unique(mesh.part)) <= set(range(PART_COUNT))
        assert mesh.material.max() < len(random_figure(seed).materials)
        assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.tint).all()


def test_the_same_seed_gives_the_same_person_and_another_seed_a_different_one() -> None:
    again = draw_figure(load_body(), np.random.default_rng(0), build(0))
    assert again.mesh.vertices.tobytes() == random_figure(0).mesh.vertices.tobytes()
    assert again.materials.tobytes() == random_figure(0).materials.tobytes()
    assert not np.array_equal(again.materials[0], random_figure(1).materials[0])


def test_a_fist_brings_the_fingertips_to_the_palm() -> None:
    figure = plain_person()
    poses = standing_poses(count=2)
    transforms = figure.transforms(poses, Hands(np.array([[0.0, 0.0], [1.0, 1.0]]), np.zeros((2, 2))))
    for side, letter in enumerate("lr"):
        tip = BONE_INDEX[f"middle_03_{letter}"]
        ends = transforms[:, tip] @ np.append(figure.rest.tails[tip], 1.0)
        palm = figure.hand_frames(transforms, side)
        away = np.linalg.norm(ends - palm[..., 3], axis=1)
        assert away[1] < 0.6 * away[0]
        # The fingers close on the side that the palm faces.
        middle = BONE_INDEX[f"middle_02_{letter}"]
        knuckles = transforms[:, middle] @ np.append(figure.rest.tails[middle], 1.0)
        out = ((knuckles - palm[..., 3]) * palm[..., 1]).sum(1)
        assert out[1] > out[0] + 0.01


def test_hanging_hands_face_the_thighs_and_their_fists_point_forwards() -> None:
    figure = plain_person()
    transforms = figure.transforms(standing_poses(count=1))
    for side, inwards in ((0, 1.0), (1, -1.0)):
        frame = figure.hand_frames(transforms, side)[0]
        assert np.allclose(frame[:, :3].T @ frame[:, :3], np.eye(3), atol=1e-6)
        assert np.linalg.det(frame[:, :3]) == pytest.approx(1.0)
        assert frame[2, 1] * inwards > 0.6
        assert frame[0, 2] > 0.6


def test_a_backpack_is_behind_the_chest_and_upright() -> None:
    figure = plain_person()
    frame = figure.back_frames(figure.transforms(standing_poses(count=1)))[0]
    assert np.allclose(frame[:, :3], np.eye(3), atol=0.2)
    assert 1.1 < frame[1, 3] < 1.7


def test_an_invalid_file_of_the_body_asset_is_named(tmp_path: Path) -> None:
    good = weights.locate("body")
    for name in ("base.obj", "weights.game_engine.json", "universal-male-young-maxmuscle-maxweight.target.gz"):
        folder = tmp_path / name
        folder.mkdir()
        for file in good.iterdir():
            (folder / file.name).symlink_to(file)
        (folder / name).unlink()
        (folder / name).write_text("v 1 2\n{", "utf-8")
        with pytest.raises(BodyError, match=name):
            load_body(folder)


def test_a_distant_person_is_drawn_with_fewer_triangles_and_looks_the_same() -> None:
    figure = plain_person()
    far = figure.for_height(80)
    assert len(far.mesh.triangles) < 0.5 * len(figure.mesh.triangles)
    assert figure.for_height(1000) is figure
    camera = front_camera()
    shares: list[np.ndarray] = []
    for one in (figure, far):
        person = posed_person(one, one.transforms(standing_poses()))
        shares.append(render(scene([person], [], camera)).visible[0] / 1.0)
    assert np.abs(shares[0] - shares[1]).sum() < 0.12 * shares[0].sum()
