"""One frame: what is right is read, each error has its own code and place, and nothing raises."""

from __future__ import annotations

import json
from typing import Any

import pytest

import support.training.kinetics_tps_examples as examples
from training.kinetics_tps import AnnotatedFrame, AnnotatedObject, ErrorCode, Lists
from training.kinetics_tps.annotations import FrameReader, encode_frame
from training.kinetics_tps.lists import parse_labels

SIZE = (examples.WIDTH, examples.HEIGHT)
PART: dict[str, Any] = {"number": 1, "box": [1, 2, 3, 4], "verb": "bend", "name": "left_arm"}
HUMAN: dict[str, Any] = {"number": 1, "box": [0, 0, 9, 9], "parts": {"left_arm": PART}}


def human(**changes: Any) -> str:
    return json.dumps({"humans": [HUMAN | changes]})


def part(**changes: Any) -> str:
    return human(parts={"left_arm": PART | changes})


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def errors_of(text: str | bytes, lists: Lists = examples.LISTS) -> list[tuple[ErrorCode, str]]:
    raw = text if isinstance(text, bytes) else text.encode()
    frame, errors = FrameReader(lists).read(raw, 1, SIZE)
    assert (frame is None) == bool(errors), "a frame with an error isn't taken, one without is"
    return errors


def test_the_documented_form_is_read() -> None:
    text = (
        '{"humans":[{"number":1,"box":[10,20,30.5,40],"parts":'
        '{"left_arm":{"number":1,"box":[12,22,20,30],"verb":"bend","name":"left_arm"}}}]}'
    )
    frame, errors = FrameReader(examples.LISTS).read(text.encode(), 7, SIZE)
    assert errors == []
    assert frame is not None
    assert frame.index == 7
    (someone,) = frame.people
    assert (someone.number, someone.box) == (1, (10.0, 20.0, 30.5, 40.0))
    arm = someone.parts["left_arm"]
    assert (arm.number, arm.box, arm.verb, arm.name) == (1, (12.0, 22.0, 20.0, 30.0), "bend", "left_arm")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"", "bad-json", "the file is not JSON of a frame"),
        (part()[:-20], "bad-json", "truncated"),
        ("[]", "bad-json", "Expected object, got array"),
        (human(parts={"left_arm": without(PART, "verb")}), "bad-json", "missing required field verb"),
        (human(box=[0, 0, -1, 9]), "box-reversed", "humans[0].box ends before it begins: [0.0, 0.0, -1.0, 9.0]"),
        (part(box=[0, 64, 9, 70]), "box-outside", "humans[0].parts.left_arm.box is outside"),
        (human(parts={"tail": PART | {"name": "tail"}}), "unknown-part", "'tail' is not in list/body_part.txt"),
        (part(verb="fly"), "unknown-verb", "humans[0].parts.left_arm verb 'fly' is not in list/part_stat.txt"),
        (part(name="right_arm"), "part-name-differs", "humans[0].parts 'left_arm' is called 'right_arm'"),
    ],
)
def test_each_error_has_its_code_place_and_message(text: str | bytes, code: str, words: str) -> None:
    errors = errors_of(text)
    assert [found for found, _ in errors] == [code]
    assert words in errors[0][1]


@pytest.mark.parametrize(
    "text",
    [
        '{"humans": []}',
        json.dumps({"humans": [without(HUMAN, "parts")]}),
        human(number=2.0),
        human(parts={"left_arm": without(PART, "name")}),
        part(verb="others"),
        part(verb="none"),
        human(box=[-5, -5, 0, 0]),
        human(box=[95.5, 63, 500, 500]),
        human(box=[3, 3, 3, 3]),
        "\ufeff" + part(),
    ],
)
def test_unusual_but_valid_frames_are_read(text: str) -> None:
    assert errors_of(text) == []


@pytest.mark.parametrize(
    ("where", "value", "found"),
    [
        ("objects", [{"number": 4, "box": [1, 2, 3, 4], "name": "ball"}], [(4, "ball")]),
        ("object", {"bbox": [1, 2, 3, 4], "label": "ball"}, [(1, "ball")]),
        ("objects", {"ball": {"number": 2, "box": [1, 2, 3, 4]}}, [(2, "ball")]),
        ("objects", [{"box": [1, 2, 3, 4]}, {"box": [5, 6, 7, 8], "category": "cup"}], [(1, "objects"), (2, "cup")]),
        ("objects", "ball", []),
        ("objects", {"a": {"b": {"c": {"d": {"e": {"box": [1, 2, 3, 4], "name": "too deep"}}}}}}, []),
    ],
)
def test_undocumented_keys_are_no_errors_and_named_boxes_are_objects(
    where: str, value: Any, found: list[tuple[int, str]]
) -> None:
    for text, key in (
        (json.dumps({"humans": [HUMAN], where: value}), where),
        (human(**{where: value}), f"humans[].{where}"),
        (part(**{where: value}), f"humans[].parts[].{where}"),
    ):
        reader = FrameReader(examples.LISTS)
        frame, errors = reader.read(text.encode(), 1, SIZE)
        assert errors == []
        assert frame is not None
        assert [(thing.number, thing.name) for thing in frame.objects] == found
        assert dict(reader.undocumented) == {key: 1}


def test_partstreams_own_objects_are_read_by_their_names() -> None:
    frame = AnnotatedFrame(1, (), (AnnotatedObject(1, (1, 2, 3, 4), "ball"),))
    assert FrameReader(examples.LISTS).read(encode_frame(frame), 1, SIZE)[0] == frame


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("none\nbend\n", ("none", "bend")),
        ("none\r\n\r\n bend ", ("none", "bend")),
        ("0 none\n1 bend\n", ("none", "bend")),
        ("1: hold on\n2: bend\n", ("hold on", "bend")),
        ("1,none\n2,bend\n", ("none", "bend")),
        ("1 none\nbend", ("1 none", "bend")),
        ("3 balls\n7 cups", ("3 balls", "7 cups")),
        ("", ()),
    ],
)
def test_labels_are_read_one_per_line_numbered_or_not(text: str, labels: tuple[str, ...]) -> None:
    assert parse_labels(text) == labels
