"""Rendered scenes and their labels: occlusion, boxes, shares, shadows, motion blur, determinism."""

from __future__ import annotations

import numpy as np
import pytest

from stages.vocabulary import PARTS
from support.training.rendered_scenes import (
    OVERHEAD,
    block,
    front_camera,
    marker,
    person,
    plain_ground,
    plain_person,
    scene,
    standing_poses,
    unmoved,
)
from training.synthetic.rendering.backdrop import backdrop
from training.synthetic.rendering.bodies.body_regions import PART_NAMES
from training.synthetic.rendering.scene import Rendering, Scene, posed_object, posed_person, render


@pytest.fixture(scope="module")
def alone() -> Rendering:
    return render(scene([person()], []))


def shown_boxes(drawn: Rendering, owner: int) -> dict[int, tuple[int, int, int, int]]:
    boxes: dict[int, tuple[int, int, int, int]] = {}
    for part in range(len(PART_NAMES)):
        rows, columns = np.nonzero((drawn.owner == owner) & (drawn.part == part))
        if len(rows):
            boxes[part] = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return boxes


def test_boxes_enclose_exactly_the_drawn_pixels(alone: Rendering) -> None:
    shown = shown_boxes(alone, 0)
    assert set(range(len(PARTS))) <= set(shown)
    for part in range(len(PART_NAMES)):
        assert alone.visible[0, part] == ((alone.owner == 0) & (alone.part == part)).sum()
        assert tuple(alone.boxes[0, part]) == shown[part]


def test_the_box_of_a_parts_visible_pixels_is_within_the_box_of_the_whole_part(alone: Rendering) -> None:
    assert (alone.boxes[0, :, :2] >= alone.whole_boxes[0, :, :2] - 1).all()
    assert (alone.boxes[0, :, 2:] <= alone.whole_boxes[0, :, 2:] + 1).all()


def test_a_person_alone_in_the_picture_is_entirely_visible(alone: Rendering) -> None:
    assert alone.visible_share[0] > 0.999
    assert (alone.whole[0] >= alone.visible[0]).all()


def test_parts_have_their_anatomical_order(alone: Rendering) -> None:
    middle = {name: (alone.boxes[0, i, :2] + alone.boxes[0, i, 2:]) / 2 for i, name in enumerate(PART_NAMES)}
    assert middle["head"][1] < middle["trunk"][1] < middle["hip"][1] < middle["left_leg"][1] < middle["left_foot"][1]
    # Seen from the front, the person's left is on the picture's right.
    for part in ("arm", "hand", "leg", "foot"):
        assert middle[f"left_{part}"][0] > middle[f"right_{part}"][0]


def test_a_block_in_front_hides_the_legs_and_a_block_behind_hides_nothing() -> None:
    screen = ((-0.1, 0.0, -1.0), (0.1, 1.0, 1.0))
    in_front = render(scene([person()], [posed_object(block(*screen), np.c_[np.eye(3), [1.0, 0.0, 0.0]])]))
    behind = render(scene([person()], [posed_object(block(*screen), np.c_[np.eye(3), [-1.0, 0.0, 0.0]])]))
    legs = [PARTS.index("left_leg"), PARTS.index("right_leg"), PARTS.index("left_foot")]
    assert in_front.visible[0, legs].sum() == 0
    assert (in_front.whole[0, legs] > 0).all()
    assert np.isinf(in_front.boxes[0, legs]).all()
    assert 0.3 < in_front.visible_share[0] < 0.75
    assert in_front.visible[0, PARTS.index("head")] > 0
    assert behind.visible_share[0] > 0.999
    assert behind.visible_share[1] < 0.9


def test_the_nearer_of_two_people_hides_the_other_in_either_order() -> None:
    camera = front_camera(8.0)
    near_first = render(scene([person(1.0), person(-1.0)], [], camera))
    far_first = render(scene([person(-1.0), person(1.0)], [], camera))
    assert near_first.visible_share[0] > 0.999
    assert near_first.visible_share[1] < 0.5
    assert np.array_equal(near_first.visible_share, far_first.visible_share[::-1])


def test_a_person_half_outside_the_picture_is_half_visible_and_their_whole_box_extends_beyond_it() -> None:
    camera = front_camera()
    cut = camera.shifted(np.array([camera.size[0] / 2, 0.0]))
    drawn = render(scene([person()], [], cut))
    assert 0.35 < drawn.visible_share[0] < 0.65
    assert drawn.whole_boxes[0, PARTS.index("left_arm"), 2] > camera.size[0]


def test_the_same_scene_gives_the_same_bytes() -> None:
    first, second = (render(scene([person(0.1)], [posed_object(marker(0.2), unmoved())])) for _ in range(2))
    assert first.light.tobytes() == second.light.tobytes()
    assert first.part.tobytes() == second.part.tobytes()


def test_a_scene_without_people_is_its_backdrop() -> None:
    drawn = render(scene([], []))
    assert (drawn.owner == -1).all() and drawn.visible.shape == (0, len(PART_NAMES))
    assert (drawn.light > 0).all()


def test_the_backdrop_of_a_fixed_camera_can_be_painted_once() -> None:
    here = scene([person()], [])
    still = backdrop(here.surroundings, here.camera[0], here.light)
    difference = np.abs(render(here, still).light - render(here).light)
    # They differ where the horizon crosses a pixel, because a still backdrop has more samples per pixel.
    assert difference.max() < 0.15 and (difference > 1e-6).any(-1).mean() < 0.02


def test_a_person_casts_a_shadow_on_the_ground() -> None:
    camera = front_camera()
    empty, somebody = render(scene([], [], camera)), render(scene([person()], [], camera))
    ground = (somebody.owner < 0) & (empty.light[..., 2] < 0.7)
    assert (somebody.light[ground] < 0.7 * empty.light[ground]).any()
    assert np.allclose(somebody.light[:10], empty.light[:10])


def test_an_object_that_moves_during_the_exposure_is_blurred_along_its_path() -> None:
    left, right = (np.c_[np.eye(3), [0.0, 1.0, z]] for z in (0.15, -0.15))
    sharp = render(scene([], [posed_object(marker(0.1), np.c_[np.eye(3), [0.0, 1.0, 0.0]])]))
    smeared = render(scene([], [posed_object(marker(0.1), left, right)]))
    empty = render(scene([], [])).light

    def spread(drawn: Rendering) -> tuple[int, int]:
        changed = np.abs(drawn.light - empty).max(-1) > 0.02
        rows, columns = np.nonzero(changed[:60])
        return int(np.ptp(columns)), int(np.ptp(rows))

    assert spread(smeared)[0] > spread(sharp)[0] + 5
    assert abs(spread(smeared)[1] - spread(sharp)[1]) <= 2
    # Labels are for the middle of the exposure.
    assert np.abs(smeared.boxes[0, 0] - sharp.boxes[0, 0]).max() <= 1


def test_nothing_behind_the_camera_is_drawn() -> None:
    figure = plain_person()
    behind = posed_person(figure, figure.transforms(standing_poses(9.0)))
    view = front_camera()
    drawn = render(Scene([behind], [], (view, view), OVERHEAD, plain_ground()))
    assert (drawn.owner == -1).all()
    assert drawn.visible_share[0] == 0
