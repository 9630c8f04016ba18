"""Drawings show people where their results are, over grey, whatever is in the result."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from stream.pictures.jpeg import JpegMaker
from stream.privacy.drawn_pictures import GREY, DrawnPicture
from stream.results import Frame, Part
from support.engines.wire_messages import frame


def pixels(result: Frame) -> np.ndarray:
    return DrawnPicture(result).frame.to_ndarray()


def test_people_are_drawn_in_their_boxes_and_the_rest_is_grey() -> None:
    shown = pixels(frame())
    assert shown.shape == (720, 1280, 3)
    drawn = np.any(shown != GREY, axis=2)
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    assert (rows[0], rows[-1]) == (118, 640) and (columns[0], columns[-1]) == (412, 590)
    assert not np.any(pixels(frame(people=0)) != GREY)


def test_visible_parts_are_joined_and_absent_ones_left_out() -> None:
    person = frame().people[0]
    parts = [
        Part(name, (x - 5.0, y - 5.0, x + 5.0, y + 5.0), 0.9, 0.1, [])
        for name, x, y in (("head", 500.0, 150.0), ("hip", 500.0, 400.0), ("left_foot", 450.0, 620.0))
    ]
    shown = pixels(replace(frame(), people=[replace(person, parts=parts)]))
    assert np.all(np.any(shown[160:390, 500] != GREY, axis=1)), "from the head to the hips"
    assert not np.any(shown[450:600, 475] != GREY), "the leg is not visible, so the foot is not joined"


def test_any_size_and_position_can_be_drawn_and_encoded() -> None:
    person = frame().people[0]
    far = replace(person, box=(-9e5, 40.0, 1e6, 20.0), parts=[Part("head", (9e8, 9e8, 9e8, 9e8), 1.0, 0.0, [])])
    for size in ((1, 1), (7, 5000), (3840, 2160)):
        picture = DrawnPicture(replace(frame(), size=size, people=[far, person]))
        assert max(picture.frame.width, picture.frame.height) <= 1280
        assert JpegMaker().make(picture, 320).startswith(b"\xff\xd8")
