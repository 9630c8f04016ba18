"""One frame: what is right is read, each error has its own code and place, and nothing raises."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import support.training.kinetics_tps_examples as examples
from training.kinetics_tps import AnnotatedFrame, AnnotatedObject, ErrorCode, Lists
from training.kinetics_tps.annotations import encode_frame
from training.kinetics_tps.frame_reader import FrameReader
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
        (b"", "truncated-json", "is empty"),
        (b" \n", "truncated-json", "is empty"),
        (part()[:-20], "truncated-json", "ends in the middle, after"),
        ('{"humans": [}]', "bad-json", "is not JSON"),
        (b"\0" * 64, "bad-json", "is not JSON"),
        (part() + part(), "bad-json", "trailing characters"),
        ("[" * 100_000, "bad-json", "nested too deeply"),
        (part(verb="x").replace('"x"', '"\\ud800"'), "bad-json", "half a character"),
        (part().replace('"number": 1', '"number": NaN', 1), "wrong-type", "humans[0].number is a number instead"),
        ('{"humans": [], "seconds": NaN}', "bad-json", "is not JSON"),
        (part().encode("utf-16"), "not-utf8", "not in UTF-8"),
        (part(verb="X").encode().replace(b"X", b"\xe9"), "not-utf8", "not in UTF-8"),
        ("[]", "not-an-object", "a list instead of an object"),
        ("null", "not-an-object", "null instead of an object"),
        ("3", "not-an-object", "a number instead of an object"),
        ("{}", "missing-field", "humans is missing"),
        ('{"humans": null}', "wrong-type", "humans is null instead of a list"),
        ('{"humans": [7]}', "wrong-type", "humans[0] is a number instead of an object"),
        (human(parts=[]), "wrong-type", "humans[0].parts is a list instead of an object"),
        (json.dumps({"humans": [without(HUMAN, "box")]}), "missing-field", "humans[0].box is missing"),
        (human(number="1"), "wrong-type", "humans[0].number is a text instead of a whole number"),
        (human(number=True), "wrong-type", "humans[0].number is true"),
        (human(parts={"left_arm": "bend"}), "wrong-type", "humans[0].parts.left_arm is a text instead of an object"),
        (human(parts={"left_arm": without(PART, "box")}), "missing-field", "humans[0].parts.left_arm.box is missing"),
        (human(parts={"left_arm": without(PART, "verb")}), "missing-field", "humans[0].parts.left_arm.verb is missing"),
        (part(verb=["bend"]), "wrong-type", "humans[0].parts.left_arm.verb is a list instead of a word"),
        (part(name=3), "wrong-type", "humans[0].parts.left_arm.name is a number"),
        (part(box=[[1, 2, 3, 4]]), "wrong-type", "humans[0].parts.left_arm.box is not four numbers"),
        (part(box=[1, 2, 3]), "wrong-type", "not four numbers"),
        (part(box=[1, 2, "3", 4]), "wrong-type", "not four numbers"),
        (part(box=[1, 2, None, 4]), "wrong-type", "not four numbers"),
        (part(box=[1, 2, True, 4]), "wrong-type", "not four numbers"),
        (part(box={"x1": 1}), "wrong-type", "not four numbers"),
        (part(box=[1, 2, float("nan"), 4]), "box-not-finite", "left_arm.box has a number that is not finite"),
        (human(box=[float("-inf"), 0, 9, 9]), "box-not-finite", "humans[0].box has a number that is not finite: [-inf"),
        (human(box=[0, 0, 9, 9]).replace("9, 9", "1e999, 9", 1), "box-not-finite", "is not finite"),
        (human(box=[0, 0, 9, 9]).replace("9, 9", f"{'9' * 400}, 9", 1), "box-not-finite", "finite: [0, 0, …, 9]"),
        (human(box=[0, 0, -1, 9]), "box-reversed", "humans[0].box ends before it begins: [0, 0, -1, 9]"),
        (part(box=[1, 5, 3, 4]), "box-reversed", "humans[0].parts.left_arm.box ends before it begins"),
        (human(box=[-9, 0, -1, 9]), "box-outside", "humans[0].box is outside the frame of 96 x 64"),
        (human(box=[96, 0, 99, 9]), "box-outside", "is outside the frame"),
        (part(box=[0, 64, 9, 70]), "box-outside", "humans[0].parts.left_arm.box is outside"),
        (human(parts={"tail": PART | {"name": "tail"}}), "unknown-part", "'tail' is not in list/body_part.txt"),
        (part(verb="fly"), "unknown-verb", "humans[0].parts.left_arm.verb 'fly' is not in list/part_stat.txt"),
        (part(verb="Bend"), "unknown-verb", "'Bend'"),
        (part(name="right_arm"), "part-name-differs", "humans[0].parts.left_arm is called 'right_arm'"),
        (human(parts={"left_arm": PART, "hip": PART}), "duplicate-part", "humans[0] has the part 'left_arm' twice"),
        (human(parts={"left_arm": PART, "hip": 0}).replace('"hip": 0', f'"left_arm": {json.dumps(PART)}'),
         "duplicate-part", "one person has the part 'left_arm' twice"),
        (f'{{"humans": [{json.dumps(HUMAN)}], "humans": []}}', "duplicate-key", "has the key 'humans' twice"),
    ],
)  # fmt: skip
def test_each_error_has_its_code_place_and_message(text: str | bytes, code: str, words: str) -> None:
    errors = errors_of(text)
    assert [found for found, _ in errors] == [code]
    assert words in errors[0][1]


def test_all_errors_of_a_frame_are_found_at_once() -> None:
    parts = {"left_arm": PART | {"verb": "fly", "box": [5, 5, 1, 1]}, "wing": PART | {"name": "wing"}}
    text = json.dumps({"humans": [HUMAN | {"parts": parts}, 3, HUMAN | {"box": [1, 2]}]})
    assert {code for code, _ in errors_of(text)} == {"unknown-verb", "box-reversed", "unknown-part", "wrong-type"}
    assert len(errors_of(text)) == 5


@pytest.mark.parametrize(
    "text",
    [
        '{"humans": []}',
        human(parts={}),
        json.dumps({"humans": [without(HUMAN, "parts")]}),
        json.dumps({"humans": [without(HUMAN, "number")]}),
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


def test_any_label_is_accepted_without_lists_and_any_box_without_a_size() -> None:
    text = human(parts={"wing": PART | {"name": "wing", "verb": "fly"}}, box=[500, 500, 600, 600])
    frame, errors = FrameReader(Lists()).read(text.encode(), 1)
    assert errors == []
    assert frame is not None


@pytest.mark.parametrize(
    ("where", "value", "found"),
    [
        ("objects", [{"number": 4, "box": [1, 2, 3, 4], "name": "ball"}], [(4, "ball")]),
        ("object", {"bbox": [1, 2, 3, 4], "label": "ball"}, [(1, "ball")]),
        ("objects", {"ball": {"number": 2, "box": [1, 2, 3, 4]}}, [(2, "ball")]),
        ("objects", [{"box": [1, 2, 3, 4]}, {"box": [5, 6, 7, 8], "category": "cup"}], [(1, "objects"), (2, "cup")]),
        ("objects", [{"box": [3, 2, 1, 4], "name": "ball"}], []),
        ("objects", "ball", []),
        ("weather", None, []),
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


@given(examples.frames(), st.sampled_from([None, "humans", "person", "part"]))
def test_the_schema_and_the_explainer_read_the_same_frame(frame: AnnotatedFrame, extra: str | None) -> None:
    content: Any = msgspec.json.decode(encode_frame(frame))
    holders = {
        "humans": [content],
        "person": content["humans"],
        "part": [part for human in content["humans"] for part in human["parts"].values()],
    }
    for holder in holders.get(extra or "", []):
        holder["undocumented"] = 1
    raw = json.dumps(content).encode()
    assert FrameReader(examples.LISTS).read(raw, frame.index, SIZE) == (frame, [])
    assert FrameReader(examples.LISTS).read(b"\xef\xbb\xbf" + raw, frame.index, SIZE) == (frame, [])


@given(examples.frames(), st.data())
def test_a_frame_cut_off_anywhere_is_truncated(frame: AnnotatedFrame, data: st.DataObject) -> None:
    raw = encode_frame(frame)
    cut = data.draw(st.integers(0, len(raw) - 1))
    try:
        raw[:cut].decode()
    except UnicodeDecodeError:
        return  # in the middle of a letter: named not-utf8
    assert [code for code, _ in errors_of(raw[:cut])] == [ErrorCode.TRUNCATED_JSON]


KEYS = st.sampled_from(["humans", "box", "parts", "number", "verb", "name", "left_arm", "objects", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, JSON)
def test_any_json_is_a_frame_or_has_errors(anything: Any, parts: Any) -> None:
    for content in (anything, {"humans": anything}, {"humans": [HUMAN | {"parts": parts, "box": anything}]}):
        text = json.dumps(content)
        errors_of(text)


@given(st.binary(max_size=60), st.data())
def test_any_bytes_are_a_frame_or_have_errors(junk: bytes, data: st.DataObject) -> None:
    errors_of(junk)
    raw = part().encode()
    at = data.draw(st.integers(0, len(raw)))
    errors_of(raw[:at] + junk + raw[at + len(junk) :])


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
