"""Part boxes are where Kinetics-TPS draws them, and parts that were not standing_person have none."""

from __future__ import annotations

import numpy as np
import pytest

from stages.detection.part_boxes import hand_regions, part_boxes
from stages.vocabulary import PARTS

SIZE = (400, 400)
# x, y of COCO's 17 keypoints of a person of height 200 who faces the camera, feet at y = 300.
STANDING = np.array(
    [
        (200, 118), (204, 114), (196, 114), (210, 118), (190, 118), (222, 142), (178, 142), (230, 178), (170, 178),
        (232, 208), (168, 208), (212, 200), (188, 200), (212, 250), (188, 250), (212, 296), (188, 296),
    ],
    np.float32,
)  # fmt: skip
BOX = np.array([150, 98, 250, 304], np.float32)


def standing_person(score: float = 0.5, **joints: float) -> np.ndarray:
    scores = np.full(17, score, np.float32)
    for name, value in joints.items():
        scores[int(name.removeprefix("j"))] = value
    return np.concatenate([STANDING, scores[:, None]], 1)


def box_of(part: str, keypoints: np.ndarray) -> np.ndarray:
    return part_boxes(keypoints[None], BOX[None], SIZE).boxes[0, PARTS.index(part)]


def contains(box: np.ndarray, x: float, y: float) -> bool:
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


@pytest.mark.parametrize(
    ("part", "joints"),
    [("left_arm", (5, 7, 9)), ("right_arm", (6, 8, 10)), ("left_leg", (11, 13, 15)), ("right_leg", (12, 14, 16))],
)
def test_a_limbs_box_encloses_its_joints_tightly(part: str, joints: tuple[int, ...]) -> None:
    box = box_of(part, standing_person())
    points = STANDING[list(joints)]
    assert (box[:2] < points.min(0)).all() and (box[2:] > points.max(0)).all()
    assert (points.min(0) - box[:2]).max() < 14 and (box[2:] - points.max(0)).max() < 14


def test_hands_and_feet_are_small_boxes_beyond_wrist_and_ankle() -> None:
    hand, foot = box_of("left_hand", standing_person()), box_of("left_foot", standing_person())
    for box, joint in ((hand, STANDING[9]), (foot, STANDING[15])):
        assert (box[1] + box[3]) / 2 > joint[1]  # beyond the joint is below it
        assert 15 < box[2] - box[0] < 35
    assert hand[3] > STANDING[9][1] + 10


def test_the_hip_spans_both_hips_and_the_head_extends_from_the_neck_to_the_crown() -> None:
    hip, head = box_of("hip", standing_person()), box_of("head", standing_person())
    assert contains(hip, *STANDING[11]) and contains(hip, *STANDING[12])
    assert hip[3] - hip[1] < 50
    assert all(contains(head, *STANDING[joint]) for joint in range(5))
    assert 92 < head[1] < 108 and 122 < head[3] < 142
    assert 20 < head[2] - head[0] < 45


def test_a_part_whose_joints_score_low_is_absent_and_its_box_is_zero() -> None:
    made = part_boxes(standing_person(j9=0.05, j16=0.1)[None], BOX[None], SIZE)
    present = dict(zip(PARTS, made.present[0].tolist(), strict=True))
    assert [part for part, found in present.items() if not found] == ["left_arm", "left_hand", "right_foot"]
    assert made.boxes[0][~made.present[0]].sum() == 0 and made.scores[0][~made.present[0]].sum() == 0
    assert not part_boxes(standing_person(0.1)[None], BOX[None], SIZE).present.any()


def test_boxes_are_clipped_to_the_picture_and_parts_outside_it_are_absent() -> None:
    moved = standing_person()
    moved[:, 1] += 130  # feet at 426, beyond the lower edge
    made = part_boxes(moved[None], (BOX + np.float32([0, 130, 0, 130]))[None], SIZE)
    assert made.boxes[..., 3].max() <= 400 and made.boxes.min() >= 0
    present = dict(zip(PARTS, made.present[0].tolist(), strict=True))
    assert not present["left_foot"] and present["left_leg"] and present["left_hand"]


def test_regions_of_held_objects_are_centred_on_the_hands() -> None:
    regions, found = hand_regions(standing_person(j10=0.0)[None], BOX[None], SIZE)
    assert found.tolist() == [[True, False]]
    hand = box_of("left_hand", standing_person())
    left = regions[0, 0]
    assert contains(left, *hand[:2]) and contains(left, *hand[2:])
    assert np.abs((left[:2] + left[2:]) / 2 - (hand[:2] + hand[2:]) / 2).max() < 0.01
    assert left[2] - left[0] > 3 * (hand[2] - hand[0])
