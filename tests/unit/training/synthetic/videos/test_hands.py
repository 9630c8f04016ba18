"""Generated people and their objects: hands, curved paths, seats, and what of them is visible."""

from __future__ import annotations

import numpy as np
import pytest

from stages.vocabulary import packaged
from support.training.rendered_scenes import block, front_camera, person, plain_person, scene, standing_poses, unmoved
from support.training.resting_scene import resting_scene
from training.synthetic.motion.motion import POSITION, ROOT, WRISTS, axis_rotation, quaternion_multiply
from training.synthetic.motion.movement import ACTION_INDEX, TAG_INDEX, Prop, tags_of, upright
from training.synthetic.motion.skeleton import HIPS, KEYPOINTS, NOSE, joints
from training.synthetic.rendering.bodies.posing import Hands
from training.synthetic.rendering.scene import Posed, Scene, posed_object, posed_person, render
from training.synthetic.sequences.scenes import Scene as Acted
from training.synthetic.videos.cast import Actor, bent, seats
from training.synthetic.videos.film import Shot
from training.synthetic.videos.hands import MAKERS, OBJECTS, draw_hands, use_props
from training.synthetic.videos.observation import PersonLabels, observe, person_labels
from training.synthetic.videos.truth import TruePerson

VOCABULARY = packaged("edge")
SEEN = {name: index for index, name in enumerate(KEYPOINTS)}


def actor(poses: np.ndarray, acted: Acted | None = None) -> Actor:
    figure = plain_person()
    points, facing = joints(poses[None], figure.build)
    acted = acted or resting_scene(np.arange(len(poses)) / 25)
    return Actor(figure, acted, poses, points[0], facing[0], figure.transforms(poses), [])


def observed(drawn: Scene, people_labels: list[PersonLabels]) -> list[TruePerson]:
    drawing = render(drawn)
    shot = Shot(0, np.zeros((1, 1, 3), np.uint8), drawing, drawn.camera[0], len(drawn.people), [])
    stature = float(plain_person().build.stature[0])
    return [one.person for one in observe(shot, people_labels, [stature] * len(people_labels), VOCABULARY)]


def labels_of(poses: np.ndarray) -> PersonLabels:
    return person_labels(VOCABULARY, actor(poses), np.array([0.0, 0.01]))


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("held", ["left", "both", "free"])
def test_an_object_in_use_is_drawn_at_its_place_and_never_below_the_ground(name: str, held: str) -> None:
    poses = standing_poses(count=2)
    poses[:, WRISTS] = (0.6, -0.3, 0.1, 0.6, -0.3, -0.1)
    figure = plain_person()
    points, _ = joints(poses[None], figure.build)
    path = np.tile([0.7, -1.9, 0.0], (2, 1)) if held == "free" else None
    prop = Prop(name, held, np.ones(2), path)
    hands = draw_hands(np.random.default_rng(0), tags_of(2), [prop])
    transforms = figure.transforms(poses, hands)
    (used,) = use_props(np.random.default_rng(1), figure, poses, points[0], transforms, [prop])
    vertices = used.thing.at(used.places)
    assert used.shown.all() and vertices[..., 1].min() > -1e-4
    people = [posed_person(figure, transforms)]
    without = render(scene(people, []))
    drawn = render(scene(people, [Posed(used.thing.mesh, used.thing.materials, vertices)]))
    changed = np.abs(drawn.light - without.light).sum(-1) > 0.02
    assert changed.sum() > 3 or drawn.visible[1, 0] == 0
    assert name in ("backpack", "phone") or drawn.visible[1, 0] > 3


def test_every_object_has_a_maker_under_its_name() -> None:
    rng = np.random.default_rng(0)
    assert all(MAKERS[name](rng).name == name for name in OBJECTS)


def test_hands_are_closed_while_they_hold_an_object() -> None:
    shown = np.array([1.0, 1.0, 0.0, 0.0])
    hands = draw_hands(np.random.default_rng(0), tags_of(4), [Prop("cup", "right", shown)])
    assert (hands.grip[:2, 1] > 0.8).all() and (hands.grip[2:, 1] < 0.7).all() and (hands.grip[:, 0] < 0.7).all()
    fists = draw_hands(np.random.default_rng(0), tags_of(4, "strike_l"), [])
    assert (fists.grip[:, 0] == 1).all() and (fists.grip[:, 1] < 0.7).all()


def test_objects_that_never_appear_are_left_out() -> None:
    poses = standing_poses()
    figure = plain_person()
    points, _ = joints(poses[None], figure.build)
    transforms = figure.transforms(poses, Hands.relaxed(2))
    gone = Prop("cup", "right", np.zeros(2))
    assert use_props(np.random.default_rng(0), figure, poses, points[0], transforms, [gone]) == []


def test_a_thrown_ball_looks_like_the_held_one_and_juggled_balls_are_alike_and_fit_a_palm() -> None:
    poses, figure = standing_poses(), plain_person()
    points, _ = joints(poses[None], figure.build)
    transforms = figure.transforms(poses, Hands.relaxed(2))
    way, whole = np.tile([0.5, 0.5, 0.1], (2, 1)), np.ones(2)
    thrown = [Prop("ball", "right", np.array([1.0, 0.0]), thing=0), Prop("ball", "free", np.array([0.0, 1.0]), way, 0)]
    juggled = [Prop("ball", "free", whole, way, 0), Prop("ball", "free", whole, way, 0)]
    for seed in range(6):
        rng = np.random.default_rng(seed)
        first, second = use_props(rng, figure, poses, points[0], transforms, thrown)
        assert first.thing is second.thing
        first, second = use_props(rng, figure, poses, points[0], transforms, juggled)
        assert first.thing is second.thing and np.abs(first.thing.mesh.vertices).max() < 0.07


def test_a_bent_path_keeps_its_length_and_follows_a_circle() -> None:
    times = np.arange(0, 6, 0.04)
    poses = upright(times)
    poses[:, POSITION.start] = 1.6 * times
    round_about = bent(poses, times, 2.0)
    way = round_about[:, [0, 2]]
    lengths = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert np.allclose(lengths, 1.6 * 0.04, atol=1e-6)
    middle = slice(20, -20)
    centre = way[middle].mean(0)
    assert np.linalg.norm(way - centre, axis=1).max() < 3.5
    assert np.ptp(np.linalg.norm(way[middle] - np.array([0.0, -2.0]), axis=1)) < 0.5
    assert np.array_equal(round_about[:, 7:], poses[:, 7:]) and np.allclose(
        np.linalg.norm(round_about[:, ROOT], axis=1), 1
    )
    assert np.allclose(bent(upright(times), times, 2.0), upright(times))


def test_a_person_who_sits_at_seat_height_gets_a_chair_and_one_on_the_floor_does_not() -> None:
    rng, count = np.random.default_rng(0), 4
    acted = resting_scene(np.arange(count) / 25)
    acted.tags = tags_of(count, "sit")
    for height, chairs in ((0.55, 1), (0.1, 0), (0.99, 0)):
        poses = standing_poses(0.4, -0.3, count)
        poses[:, POSITION.start + 1] = height
        sitter = actor(poses, acted)
        found = seats(rng, sitter)
        assert len(found) == chairs
        if found:
            hip = sitter.points[0, HIPS].mean(0)
            low, high = found[0].vertices[0].min(0), found[0].vertices[0].max(0)
            assert (low[[0, 2]] < hip[[0, 2]]).all() and (hip[[0, 2]] < high[[0, 2]]).all()
            assert abs(low[1]) < 1e-4
    standing = actor(standing_poses(count=count))
    assert seats(rng, standing) == []


def test_a_face_is_visible_from_the_front_and_not_from_behind() -> None:
    front, = observed(scene([person()], []), [labels_of(standing_poses())])  # fmt: skip
    turned = standing_poses()
    turned[:, ROOT] = quaternion_multiply(np.tile(axis_rotation(1, np.pi), (2, 1)), turned[:, ROOT])
    figure = plain_person()
    back, = observed(scene([posed_person(figure, figure.transforms(turned))], []), [labels_of(turned)])  # fmt: skip
    assert front.keypoints[NOSE][2] == 1 and back.keypoints[NOSE][2] == 0
    for joint in ("left_shoulder", "right_elbow", "left_knee", "right_ankle"):
        assert front.keypoints[SEEN[joint]][2] == back.keypoints[SEEN[joint]][2] == 1
    assert front.visible == pytest.approx(1, abs=0.02) and front.action == "stand"
    assert set(front.states) == set(VOCABULARY.parts)


def test_an_object_in_front_of_a_person_hides_joints_and_parts() -> None:
    crate = posed_object(block((1.0, 0.0, -0.6), (1.1, 0.75, 0.6)), unmoved())
    behind, = observed(scene([person()], [crate]), [labels_of(standing_poses())])  # fmt: skip
    assert behind.keypoints[SEEN["left_ankle"]][2] == behind.keypoints[SEEN["right_knee"]][2] == 0
    assert behind.keypoints[SEEN["left_shoulder"]][2] == 1
    assert "left_foot" not in behind.states and "head" in behind.states
    assert 0.3 < behind.visible < 0.9


def test_a_person_in_front_hides_the_joints_of_another_and_numbers_are_kept() -> None:
    front = standing_poses(1.5)
    figure = plain_person()
    drawn = scene([person(), posed_person(figure, figure.transforms(front))], [], front_camera(8.0))
    people = {one.number: one for one in observed(drawn, [labels_of(standing_poses()), labels_of(front)])}
    assert people[2].visible > 0.95 and people[2].keypoints[NOSE][2] == 1
    assert 1 not in people or people[1].keypoints[SEEN["left_hip"]][2] == 0


def test_a_person_outside_the_picture_is_left_out() -> None:
    far = standing_poses(0.0, 30.0)
    figure = plain_person()
    drawn = scene([posed_person(figure, figure.transforms(far)), person()], [])
    assert [one.number for one in observed(drawn, [labels_of(far), labels_of(standing_poses())])] == [2]


def test_an_action_that_changes_during_the_exposure_is_no_target() -> None:
    acted = resting_scene(np.arange(4) / 25)
    acted.action = np.array([ACTION_INDEX["stand"], ACTION_INDEX["stand"], ACTION_INDEX["stand"], ACTION_INDEX["wave"]])
    acted.tags[:, TAG_INDEX["stand"]] = 1
    found = person_labels(VOCABULARY, actor(standing_poses(count=4), acted), np.array([0.0, 0.01, 0.1, 0.11]))
    assert found.action.tolist() == [ACTION_INDEX["stand"], -1]
