"""Label files of real footage: reading them, and errors that name their place."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from support.damage import CHANCES, damaged
from support.examples import examples
from support.repository import REPOSITORY
from training.footage.labels import LabelError, instants, parse_labels, read_labels, times


def clip(**changes: Any) -> dict[str, Any]:
    """Return a clip of 10 s with two people, with changes."""
    return {
        "clip": "yard",
        "asset": "sports2d",
        "file": "demo.mp4",
        "sha256": "ab" * 32,
        "size": [200, 100],
        "frame_rate": 30.0,
        "every": 1.0,
        "labeller": "a",
        "development": [0.0, 5.0],
        "test": [5.0, 10.0],
        "labels": ["walk", "stand", "other"],
        "people": [
            {
                "id": 1,
                "boxes": [[time, 10 + time, 20, 40 + time, 90] for time in range(4, 8)],
                "spans": [[4, 5, "walk"], [6, 7, "stand"]],
            },
            {"id": 2, "boxes": [[9.0, 150, 10, 180, 90.5]], "spans": [[9.0, 9.0, "unsure"]]},
        ],
    } | changes


def person(**changes: Any) -> dict[str, Any]:
    """Return a clip whose only person walks at 0 and 1 s, with changes."""
    one = {"id": 1, "boxes": [[0.0, 1, 1, 9, 9], [1.0, 2, 1, 10, 9]], "spans": [[0.0, 1.0, "walk"]]}
    return clip(people=[one | changes])


def error_of(content: dict[str, Any]) -> str:
    with pytest.raises(LabelError) as error:
        parse_labels(json.dumps(content), "yard.a.json")
    message = str(error.value)
    assert message.startswith("yard.a.json:")
    return message


def test_a_span_labels_all_instants_from_its_first_to_its_last(tmp_path: Path) -> None:
    (tmp_path / "yard.a.json").write_text(json.dumps(clip()))
    labels = read_labels(tmp_path / "yard.a.json")
    assert [(one.person, one.time, one.label) for one in instants(labels)] == [
        (1, 4.0, "walk"),
        (1, 5.0, "walk"),
        (1, 6.0, "stand"),
        (1, 7.0, "stand"),
        (2, 9.0, "unsure"),
    ]
    assert instants(labels)[2].box == (16, 20, 46, 90)


def test_each_instant_belongs_to_exactly_one_half() -> None:
    labels = parse_labels(json.dumps(clip()), "")
    assert times(labels, "development") == [0, 1, 2, 3, 4]
    assert times(labels, "test") == [5, 6, 7, 8, 9]
    assert [one.time for one in instants(labels, "development")] == [4]
    assert [one.time for one in instants(labels, "test")] == [5, 6, 7, 9]


def test_instants_need_not_be_whole_numbers_of_seconds() -> None:
    labels = parse_labels(
        json.dumps(
            clip(
                every=1 / 3,
                development=[0, 1],
                test=[1, 2],
                people=[{"id": 1, "boxes": [[0.3333, 1, 1, 9, 9], [1.667, 1, 1, 9, 9]], "spans": [[0, 2, "walk"]]}],
            )
        ),
        "",
    )
    assert times(labels, "test") == [1.0, 1.333, 1.667]
    assert [one.time for one in instants(labels)] == [0.333, 1.667]


def test_a_box_labelled_nobody_is_ignored() -> None:
    labels = parse_labels(json.dumps(person(spans=[[0, 0, "nobody"], [1, 1, "walk"]])), "")
    assert [one.time for one in instants(labels)] == [1]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (person(spans=[]), "person 1 at 0 s: has no label"),
        (person(spans=[[0, 0, "walk"]]), "person 1 at 1 s: has no label"),
        (person(spans=[[0, 1, "walk"], [1, 1, "stand"]]), "person 1 at 1 s: has several labels: walk, stand"),
        (person(spans=[[0, 1, "wlak"]]), "unknown label 'wlak'; the labels are walk, stand, other, unsure, nobody"),
        (person(spans=[[0, 1, "walk"], [3, 4, "walk"]]), "the span 3 to 4 s has no box in it"),
        (person(id=0), "person 0: ids count from 1"),
        (person(boxes=[[0, 9, 1, 1, 9]], spans=[[0, 0, "walk"]]), "person 1 at 0 s: the box must be"),
        (person(boxes=[[0, 1, 1, 201, 9]], spans=[[0, 0, "walk"]]), "within 200x100"),
        (person(boxes=[[1, 1, 1, 9, 9], [0, 1, 1, 9, 9]]), "person 1 at 0 s: boxes must be in order of time"),
        (person(boxes=[[0, 1, 1, 9, 9], [0.0005, 1, 1, 9, 9]]), "one per instant"),
        (person(boxes=[[0.4, 1, 1, 9, 9]]), "person 1 at 0.4 s: instants are multiples of 1 s"),
        (person(boxes=[[10, 1, 1, 9, 9]], spans=[[10, 10, "walk"]]), "person 1 at 10 s: is in neither half"),
        (person(boxes=[[1e300, 1, 1, 9, 9]], spans=[[0, 1e300, "walk"]]), "is in neither half"),
        (clip(people=[*clip()["people"], clip()["people"][0]]), "person 1: there are two"),
        (clip(sha256="AB" * 32), "sha256: must be 64 hex digits"),
        (clip(size=[0, 10]), "size: must be"),
        (clip(frame_rate=0), "frame_rate: must be a positive number"),
        (clip(every=1e-300), "every: must be at least 0.01 seconds"),
        (clip(labeller=" "), "labeller: must not be empty"),
        (clip(development=[0, 6]), "the halves overlap"),
        (clip(test=[9, 5]), "test: must be [start, end] in seconds, not [9, 5]"),
        (clip(test=[5, 1e300]), "test: must be [start, end]"),
        (clip(labels=["walk"]), "labels: must list the actions and other"),
        (clip(labels=["walk", "other", "nobody"]), "labels: must list the actions and other"),
        (person(boxes=[[0, 1, 1, 9]]), "$.people[0].boxes[0]"),
        (person(boxes=[[0, 1, 1, 9, "9"]]), "$.people[0].boxes[0][4]"),
        (clip(fps=3), "unknown field `fps`"),
    ],
)
def test_an_error_is_named_with_its_place(content: dict[str, Any], expected: str) -> None:
    assert expected in error_of(content)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"none\.json: can't be read"):
        read_labels(tmp_path / "none.json")
    (tmp_path / "half.json").write_bytes(json.dumps(clip()).encode()[:200])
    with pytest.raises(LabelError, match=r"half\.json: not a label file"):
        read_labels(tmp_path / "half.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelError, match=r"bytes\.json: not a label file"):
        read_labels(tmp_path / "bytes.json")


def test_a_long_list_of_errors_is_shortened() -> None:
    boxes = [[time, 9, 1, 1, 9] for time in range(10)]
    message = error_of(clip(people=[{"id": k, "boxes": boxes, "spans": [[0, 9, "walk"]]} for k in (1, 2)]))
    assert message.count("\n") == 13
    assert "… and 8 more" in message


@settings(max_examples=examples(60))
@given(chance=CHANCES)
def test_a_damaged_file_is_read_or_refused(chance: random.Random) -> None:
    path = REPOSITORY / "training" / "footage" / "sports2d.a.json"
    content = damaged(chance, json.loads(path.read_bytes()), lambda value: json.dumps(value).encode())
    try:
        parse_labels(content, "clip.json")
    except LabelError as error:
        assert "clip.json" in str(error) and len(str(error)) < 50_000
