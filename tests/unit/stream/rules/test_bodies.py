"""Measures of bodies in postures whose joints are known, with the boxes of parts that the packaged models give."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.detection.part_boxes import part_boxes
from stages.vocabulary import packaged
from stream.results import Part
from stream.rules.bodies import FEET_KEPT_US, Bodies, Body, SeenParts

SIZE = (1280, 720)
PARTS = packaged("edge").parts
FRAME_US = 80_000
HEIGHT = 200.0

Joint = tuple[float, float]
UPPER: dict[str, Joint] = {"face": (0, 0.936), "shoulder": (0, 0.818), "elbow": (0.03, 0.632), "wrist": (0, 0.485)}
STANDING: dict[str, Joint] = {**UPPER, "hip": (0, 0.53), "knee": (0, 0.285), "ankle": (0, 0.039)}
"""Joints in statures, seen from the side: forward of the feet, and above the ground."""


def moved_down(joints: Mapping[str, Joint], by: float) -> dict[str, Joint]:
    return {name: (x, y - by) for name, (x, y) in joints.items()}


CROUCHING = {**moved_down(UPPER, 0.35), "hip": (0, 0.18), "knee": (0.17, 0.285), "ankle": (0, 0.039)}
SITTING = {**moved_down(UPPER, 0.245), "hip": (0, 0.285), "knee": (0.245, 0.285), "ankle": (0.245, 0.039)}
LYING = {name: (y, 0.06 - x) for name, (x, y) in STANDING.items()}
TO_THE_CAMERA = {name: (0.3 * y, 0.06 - x) for name, (x, y) in STANDING.items()}
"""Lies with the head towards the camera, which sees 30 % of each length."""


def box_around(joints: Mapping[str, Joint], foot: Joint, height: float) -> tuple[float, float, float, float]:
    xs = [foot[0] + x * height for x, _ in joints.values()]
    ys = [foot[1] - y * height for _, y in joints.values()]
    margin = 0.06 * height
    return (min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + 0.039 * height)


def seen(
    joints: Mapping[str, Joint],
    foot: Joint = (600.0, 500.0),
    height: float = HEIGHT,
    without: Collection[str] = (),
    track: int = 1,
) -> SeenParts:
    """A person whose feet are at `foot` if standing; left and right are nearly the same, as seen from the side."""
    order = ["face"] * 5 + [name for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for _ in range(2)]
    keypoints = np.array(
        [
            (foot[0] + joints[name][0] * height + n % 2, foot[1] - joints[name][1] * height, 0.9)
            for n, name in enumerate(order)
        ],
        np.float32,
    )
    box = box_around(joints, foot, height)
    boxes = part_boxes(keypoints, np.array(box, np.float32), SIZE)
    parts = [
        Part(name, tuple(round(float(side), 1) for side in boxes.boxes[index]), 0.9, 0.5, [])  # pyright: ignore
        for index, name in enumerate(PARTS)
        if boxes.present[index] and name not in without
    ]
    return SeenParts(track, tuple(round(side, 1) for side in box), parts)  # pyright: ignore[reportArgumentType]


def after(bodies: Bodies, person: SeenParts, seconds: float, start_us: int = 0) -> Body:
    """Return the measures after so long in this posture."""
    (body,) = bodies.update([person], start_us)
    for number in range(1, round(seconds * 1e6 / FRAME_US) + 1):
        (body,) = bodies.update([person], start_us + number * FRAME_US)
    return body


FEET = ("left_foot", "right_foot")
LEGS = ("left_leg", "right_leg")


@pytest.mark.parametrize(
    "without", [(), ("head",), ("hip",), FEET, (*FEET, *LEGS), ("head", "hip"), [p for p in PARTS if p != "hip"], PARTS]
)
def test_the_stature_is_the_standing_height_also_from_some_of_the_parts(without: Collection[str]) -> None:
    assert after(Bodies(SIZE), seen(STANDING, without=without), 0).stature == pytest.approx(HEIGHT, rel=0.1)


@pytest.mark.parametrize("posture", [CROUCHING, SITTING, LYING, TO_THE_CAMERA])
def test_a_person_who_changes_posture_does_not_get_smaller(posture: Mapping[str, Joint]) -> None:
    bodies = Bodies(SIZE)
    standing = after(bodies, seen(STANDING), 3).stature
    assert after(bodies, seen(posture), 1, 4_000_000).stature == pytest.approx(standing, rel=0.05)
    assert after(bodies, seen(posture), 10, 6_000_000).stature == pytest.approx(standing, rel=0.15)


@pytest.mark.parametrize("posture", [SITTING, LYING])
def test_the_stature_of_a_person_first_seen_sitting_or_lying_is_the_standing_height(
    posture: Mapping[str, Joint],
) -> None:
    assert after(Bodies(SIZE), seen(posture), 0).stature == pytest.approx(HEIGHT, rel=0.1)


@pytest.mark.parametrize("without", [(), (*FEET, *LEGS), PARTS])
def test_people_who_walk_away_get_smaller_and_those_who_come_get_larger(without: Collection[str]) -> None:
    bodies, body = Bodies(SIZE), None
    for way in (np.linspace(1, 0.4, 100), np.linspace(0.4, 1, 100)):
        for number, share in enumerate(way):  # 8 s, over ground that ends at the height of the eyes
            at = (600.0, 300 + 200 * share)
            person = seen(STANDING, at, HEIGHT * share, without)
            (body,) = bodies.update([person], number * FRAME_US + (10_000_000 if way[0] < 1 else 0))
        assert body is not None
        assert body.stature == pytest.approx(HEIGHT * way[-1], rel=0.5 if without == (*FEET, *LEGS) else 0.15)


@pytest.mark.parametrize(
    ("posture", "trunk", "hips"), [(STANDING, 0, 0.52), (CROUCHING, 0, 0.17), (SITTING, 0, 0.27), (LYING, 90, 0.0)]
)
def test_trunk_and_hips_are_those_of_the_posture(posture: Mapping[str, Joint], trunk: int, hips: float) -> None:
    bodies = Bodies(SIZE)
    after(bodies, seen(STANDING), 1)
    body = after(bodies, seen(posture), 1, 2_000_000)
    assert body.trunk is not None and body.hips is not None
    assert abs(body.trunk - trunk) <= 3 and body.hips == pytest.approx(hips, abs=0.04)


def test_trunk_and_hips_are_absent_without_the_parts() -> None:
    bodies = Bodies(SIZE)
    assert after(bodies, seen(STANDING, without=("hip",)), 0)[4:6] == (None, None)
    without_head = after(bodies, seen(STANDING, without=("head",)), 0)
    assert without_head.trunk is None and without_head.hips is not None
    assert after(Bodies(SIZE), seen(STANDING, without=PARTS), 0)[4:6] == (None, None)


def test_a_person_upside_down_has_a_trunk_of_180_degrees() -> None:
    upside_down = {name: (x, 1 - y) for name, (x, y) in STANDING.items()}
    assert after(Bodies(SIZE), seen(upside_down), 0).trunk == 180


def test_the_speed_is_that_of_the_foot_point_over_the_last_second_from_half_a_second_on() -> None:
    bodies, speeds = Bodies(SIZE), list[float | None]()
    for number in range(60):
        person = seen(STANDING, (300 + 10 * min(number, 30), 500))  # 125 pixels a second for 2.4 s
        speeds.append(bodies.update([person], number * FRAME_US)[0].speed)
    assert speeds[:7] == [None] * 7 and None not in speeds[7:]
    moving = [speed for speed in speeds[7:31] if speed is not None]
    assert moving == pytest.approx([125 / HEIGHT] * 24, rel=0.1)
    assert speeds[45:] == [0.0] * 15, "over a second after the stop"


def test_the_speed_is_not_known_after_a_person_was_not_seen_for_long() -> None:
    bodies = Bodies(SIZE)
    assert after(bodies, seen(STANDING), 1).speed == 0.0
    assert bodies.update([seen(STANDING, (900, 500))], 6_000_000)[0].speed is None


def test_a_person_stands_at_the_feet_also_shortly_after_they_were_visible_and_else_below_the_box() -> None:
    bodies = Bodies(SIZE)
    left, right = Part("left_foot", (100, 180, 110, 190), 1, 0, []), Part("right_foot", (110, 190, 120, 200), 1, 0, [])

    def foot(at_us: int, x: float, y: float, *parts: Part) -> tuple[float, float]:
        return bodies.update([SeenParts(1, (x - 20, y - 100, x + 20, y), parts)], at_us)[0].foot

    assert foot(0, 100, 200) == (100, 200) == foot(0, 100, 200, left), "both feet are needed"
    assert foot(1, 100, 200, left, right) == (110, 190)
    assert foot(FEET_KEPT_US, 300, 250) == (310, 240), "as far from the box as before"
    assert foot(FEET_KEPT_US + 1, 300, 250) == (300, 250)


def test_the_foot_point_is_inside_the_picture() -> None:
    (body,) = Bodies(SIZE).update([seen(STANDING, (1300, 760), without=PARTS)], 0)
    assert body.foot == SIZE


def test_tracks_that_ended_are_forgotten() -> None:
    bodies = Bodies(SIZE)
    small = seen(STANDING, height=50)
    after(bodies, seen(STANDING), 1)
    assert bodies.update([small], 2_000_000, ended=[1])[0].stature == pytest.approx(50, rel=0.1)


coordinate = st.floats(-50, 1330).map(lambda value: round(value, 1))
corners = st.tuples(coordinate, coordinate, st.floats(0, 400), st.floats(0, 400)).map(
    lambda box: (box[0], box[1], round(box[0] + box[2], 1), round(box[1] + box[3], 1))
)


@given(
    st.lists(
        st.tuples(corners, st.dictionaries(st.sampled_from([*PARTS, "tail"]), corners), st.integers(0, 2_000_000)),
        min_size=1,
        max_size=20,
    )
)
def test_measures_of_any_boxes_are_finite_rounded_and_in_range(
    frames: list[tuple[tuple[float, float, float, float], dict[str, tuple[float, float, float, float]], int]],
) -> None:
    bodies, now_us = Bodies(SIZE), 0
    for box, parts, gap_us in frames:
        now_us += gap_us
        placed = [Part(name, corners, 1, 0, []) for name, corners in parts.items()]
        (body,) = bodies.update([SeenParts(1, box, placed)], now_us)
        assert 0 <= body.foot[0] <= SIZE[0] and 0 <= body.foot[1] <= SIZE[1]
        assert 1 <= body.stature < 5000 and body.stature == round(body.stature, 1)
        assert body.trunk is None or 0 <= body.trunk <= 180
        assert body.hips is None or math.isfinite(body.hips)
        assert body.speed is None or 0 <= body.speed < math.inf
