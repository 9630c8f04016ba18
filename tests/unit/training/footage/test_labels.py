"""Labels of real footage: the packaged files, and what is read from one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import training
from stages.third_party.weight_catalogue import CATALOGUE
from training.footage.labels import instants, parse_labels, read_labels, times


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


FOLDER = Path(training.__file__).parent / "footage"
CLIPS = sorted({path.name.split(".")[0] for path in FOLDER.glob("*.json")})


def test_every_clip_has_two_labellers() -> None:
    assert len(CLIPS) == 12
    files = sorted(path.name for path in FOLDER.glob("*.json"))
    assert files == [f"{clip}.{labeller}.json" for clip in CLIPS for labeller in "ab"]


@pytest.mark.parametrize("clip", CLIPS)
def test_labels_are_valid_and_their_footage_can_be_fetched(clip: str) -> None:
    for labeller in "ab":
        labels = read_labels(FOLDER / f"{clip}.{labeller}.json")
        assert (labels.clip, labels.labeller) == (clip, labeller)
        assert labels.asset in CATALOGUE
        assert labels.people
