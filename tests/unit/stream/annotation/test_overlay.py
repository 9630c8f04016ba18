"""Drawing one result as a layer."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from stream.annotation.annotate import StatusStrip
from stream.annotation.label_placement import Placement
from stream.annotation.overlay import MOST_REASONS, OverlayPainter, reasons
from stream.pictures.drawing import LONGEST_TEXT, relevance_colour, shortened, track_colour
from stream.results import Action, DetectedObject, Part
from support.engines.drawn_results import a_frame, a_person


def luminance(colour: tuple[int, int, int]) -> float:
    linear = [(value / 255 + 0.055) ** 2.4 / 1.055**2.4 for value in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_ramp_gets_lighter_with_every_step_of_relevance() -> None:
    ramp = [luminance(relevance_colour(step / 20)) for step in range(21)]
    assert all(later > earlier for earlier, later in pairwise(ramp))
    assert relevance_colour(-1) == relevance_colour(0) and relevance_colour(2) == relevance_colour(1)


def test_neighbouring_tracks_have_different_colours_and_none_looks_like_relevance() -> None:
    colours = [track_colour(track) for track in range(1, 41)]
    for one, other in pairwise(colours):
        assert sum(abs(a - b) for a, b in zip(one, other)) > 40
    assert all(max(green, blue) > red for red, green, blue in colours)


def test_the_reasons_are_the_most_relevant_parts_with_a_state_other_than_none() -> None:
    parts = [
        Part("head", (0, 0, 1, 1), 0.9, 0.99, [("none", 0.99)]),
        Part("left_leg", (0, 0, 1, 1), 0.9, 0.1, [("step", 0.9)]),
        *[
            Part(f"p{index}", (0, 0, 1, 1), 0.9, 0.3 + index / 100, [("none", 0.9), ("step", 0.4), ("bend", 0.5)])
            for index in range(6)
        ],
    ]
    found = reasons(parts)
    assert [reason.part for reason in found] == ["p5", "p4", "p3"] and len(found) == MOST_REASONS
    assert found[0].text(first=True) == "because p5 (relevance 0.35): bend"
    assert found[1].text(first=False) == "p4 (0.34): bend"


def test_parts_have_the_colour_of_their_relevance_and_people_that_of_their_track() -> None:
    layer = np.asarray(OverlayPainter((640, 480)).paint(a_frame()))
    hand_edge = layer[2 * 72, 2 * 125]
    assert tuple(hand_edge[:3]) == relevance_colour(0.95) and hand_edge[3] > 240
    hip_edge = layer[2 * 147, 2 * 145]
    assert tuple(hip_edge[:3]) == relevance_colour(0.02) and hip_edge[3] < 140
    corner = layer[2 * 60 + 1, 2 * 120 + 1]
    assert tuple(corner[:3]) == track_colour(1)
    assert layer[10, 10, 3] == 0


def test_boxes_are_scaled_from_the_size_of_the_result_to_that_of_the_picture() -> None:
    small = OverlayPainter((320, 240)).paint(a_frame())
    large = OverlayPainter((1280, 960)).paint(a_frame())
    assert small.getbbox() is not None and large.getbbox() is not None
    assert np.asarray(large)[4 * 60 + 1, 4 * 120 + 1, 3] == 255
    assert np.asarray(small)[61, 121, 3] == 255


def test_every_person_in_a_crowd_gets_a_label() -> None:
    crowd = [a_person(track, (40 + 22 * track, 60, 75 + 22 * track, 160)) for track in range(1, 8)]
    painter = OverlayPainter((1280, 960))
    painter.paint(a_frame(people=crowd))
    assert set(painter._labels) == set(range(1, 8))


def test_people_without_an_action_parts_or_area_can_be_drawn() -> None:
    people = [
        a_person(1, acting=False),
        a_person(2, waving=False),
        a_person(3, (500, 500, 400, 400)),
        a_person(4, (-1e6, -1e6, 1e6, 1e6)),
        a_person(5, (10, 10, 10, 10)),
    ]
    layer = OverlayPainter((640, 480)).paint(a_frame(people=people))
    assert layer.getbbox() is not None
    assert OverlayPainter((640, 480)).paint(a_frame(people=[])).getbbox() is None


def test_the_label_of_an_experimental_action_names_it_as_such() -> None:
    painter = OverlayPainter((640, 480))
    for experimental, score in ((False, "0.88  #1"), (True, "experimental  0.88  #1")):
        person = a_person()
        assert person.action is not None
        person = msgspec.structs.replace(
            person, action=msgspec.structs.replace(person.action, experimental=experimental)
        )
        block, _ = painter._labelled(Placement((0, 0, 640, 480), []), person, person.box, {})
        assert (block.title, block.score) == ("wave", score)


def test_an_object_is_drawn_within_its_box_and_the_label_says_what_hands_hold() -> None:
    plain = a_frame()
    with_object = msgspec.structs.replace(plain, objects=[DetectedObject("cup", (230, 100, 260, 130), 0.6)])
    one, other = (np.asarray(OverlayPainter((320, 240)).paint(frame)) for frame in (plain, with_object))
    changed = np.argwhere((one != other).any(-1))
    assert changed.min(0).tolist() == [100, 230] and changed.max(0).tolist() == [130, 260]
    person = plain.people[0]
    parts = [msgspec.structs.replace(part, holds="cup") for part in person.parts]
    holding = msgspec.structs.replace(person, parts=parts)
    block, _ = OverlayPainter((640, 480))._labelled(Placement((0, 0, 640, 480), []), holding, person.box, {})
    assert block.score == "0.88  #1  holds cup"


def test_a_label_keeps_its_place_from_result_to_result() -> None:
    painter = OverlayPainter((1280, 960))
    places = set()
    for number in range(20):
        moved = a_person(1, (100 + number, 60, 180 + number, 220))
        painter.paint(a_frame(number, [moved, a_person(2, (190, 60, 260, 220))]))
        places.add((painter._labels[1].place, painter._labels[1].reasons))
    assert len(places) == 1


@pytest.mark.parametrize("width", [640, 1152, 1920])
def test_the_strip_has_an_even_height_and_warns_of_an_untrained_model(width: int) -> None:
    strip = StatusStrip(width)
    assert strip.height % 2 == 0
    drawn = strip.draw(a_frame(), 61.5)
    assert drawn.size == (width, strip.height)
    texts = [text for text, _ in strip._texts(a_frame(trained=False), 61.5, 0.24)]
    assert texts[:3] == ["lobby", "1:01.5", "untrained model: labels are meaningless"]
    assert texts[-1] == "result of 240 ms earlier"
    assert strip._texts(a_frame(), 61.5, -0.24)[-1][0] == "result of 240 ms later"
    assert strip._texts(a_frame(), 61.5, 2.0, False)[-1][0] == "not analysed"
    assert [text for text, _ in strip._texts(None, 1.0)] == ["0:01.0", "no result"]


@pytest.mark.parametrize("label", ["x" * 500, "a\nb", "\0", "\x1b[2J\u202e"])
def test_a_label_is_drawn_as_one_short_line(label: str) -> None:
    part = Part("head", (10, 10, 50, 50), 0.9, 0.9, [(label, 0.9)], holds=label)
    action = Action(label, 0.9, 0, [])
    person = msgspec.structs.replace(a_person(1, (10, 10, 300, 230)), action=action, parts=[part])
    frame = msgspec.structs.replace(a_frame(people=[person]), objects=[DetectedObject(label, (5, 5, 90, 90), 0.9)])
    assert OverlayPainter((640, 480)).paint(frame).getbbox() is not None
    assert len(shortened(label)) <= LONGEST_TEXT and shortened(label).isprintable()


def test_a_result_far_from_its_picture_says_nothing_of_the_pictures_time() -> None:
    strip = StatusStrip(1280)
    texts = [[text for text, _ in strip._texts(a_frame(), 0.0, after_s)] for after_s in (0.2, 1e15)]
    assert [any("UTC" in text for text in one) for one in texts] == [True, False]
