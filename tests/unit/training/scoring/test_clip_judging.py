"""Scoring on labelled footage."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from training.footage.judging import by_class, selective
from training.footage.labels import Box, ClipLabels, parse_labels
from training.scoring.clips import AnsweredFrame, judge
from training.scoring.films import SeenPerson

SECONDS = 8
PLACES: dict[int, Box] = {1: (0, 0, 20, 60), 2: (100, 0, 120, 60), 3: (200, 0, 220, 60)}


def labelled(
    labels: dict[int, str], every: float = 1.0, ids: dict[int, int] | None = None, **changes: Any
) -> ClipLabels:
    """Return a clip of 8 s, the second half for testing.

    Each person stands at their own place and has one letter per instant: w(alk), s(tand), o(ther), u(nsure), n(obody),
    or blank if absent.
    """
    words = {"w": "walk", "s": "stand", "o": "other", "u": "unsure", "n": "nobody"}
    people = [
        {
            "id": (ids or {}).get(number, number),
            "boxes": [[k * every, *PLACES[number]] for k, letter in enumerate(letters) if letter != " "],
            "spans": [[k * every, k * every, words[letter]] for k, letter in enumerate(letters) if letter != " "],
        }
        for number, letters in labels.items()
    ]
    content = {
        "clip": "yard",
        "asset": "sports2d",
        "file": "demo.mp4",
        "sha256": "ab" * 32,
        "size": [300, 100],
        "frame_rate": 30.0,
        "every": every,
        "labeller": "a",
        "development": [0, SECONDS / 2],
        "test": [SECONDS / 2, SECONDS],
        "labels": ["walk", "stand", "other"],
        "people": people,
    }
    return parse_labels(json.dumps(content | changes), "yard")


Answer = Callable[[float], tuple[str | None, float]]


def seen(box: Box, label: str | None, score: float) -> SeenPerson:
    return SeenPerson(1, box, label, score, None, 0.0)


def predicted(people: dict[int, Answer], rate: float = 10.0) -> list[AnsweredFrame]:
    """Return frames of 8 s in which the people at those places have these answers."""
    return [
        AnsweredFrame(k / rate, tuple(seen(PLACES[place], *answer(k / rate)) for place, answer in people.items()))
        for k in range(round(SECONDS * rate))
    ]


def walks(time: float) -> tuple[str | None, float]:
    return "walk", 0.9


def test_each_instant_of_the_half_counts_with_its_person_seconds() -> None:
    labels = labelled({1: "ssssswww" * 2, 2: "wwwwssww" * 2}, every=0.5)
    judged, extras = judge(labels, predicted({1: walks, 2: walks}), "test")
    assert {one.time for one in judged} == {4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5}
    classes = by_class(judged)
    assert (classes["walk"].total, classes["walk"].right) == (4.5, 4.5)
    assert (classes["stand"].total, classes["stand"].right) == (3.5, 0)
    assert extras == 0


def test_missed_people_no_answer_and_other_are_wrong() -> None:
    answers: dict[float, tuple[str | None, float]] = {4: ("other", 0.3), 5: (None, 0.0), 6: ("walk", 0.9)}
    judged, _ = judge(
        labelled({1: "wwwwwww ", 2: "    ww  "}),
        predicted({1: lambda time: answers.get(int(time), ("stand", 0.9))}),
        "test",
    )
    walk = by_class(judged)["walk"]
    assert (walk.total, walk.right, walk.missed, walk.unanswered) == (5, 1, 2, 2)
    assert walk.share == 0.2
    assert [one.answer for one in judged if one.missed] == [None, None]


def test_people_labelled_unsure_do_not_count_and_boxes_of_nobody_are_extras() -> None:
    judged, extras = judge(labelled({1: "uuuuuuuu", 2: "nnnnnnnn"}), predicted({1: walks, 2: walks}), "test")
    assert judged == []
    assert extras == 4


def test_without_a_frame_near_the_instant_all_people_are_missed() -> None:
    frames = [AnsweredFrame(time, (seen(PLACES[1], "walk", 0.9),)) for time in (4.2, 5.3, 6.0)]
    judged, _ = judge(labelled({1: "wwwwwwww"}), frames, "test")
    assert [(one.time, one.missed) for one in judged] == [(4, False), (5, True), (6, False), (7, True)]
    judged, _ = judge(labelled({1: "wwwwwwww"}), [], "test")
    assert [one.missed for one in judged] == [True] * 4


def test_one_prediction_answers_one_person() -> None:
    """The labelled people overlap; the only prediction is on the second one."""
    near: Box = (6, 0, 26, 60)
    frames = [AnsweredFrame(float(k), (seen(near, "walk", 0.9),)) for k in range(SECONDS)]
    people = [
        {"id": number, "boxes": [[5.0, *box]], "spans": [[5.0, 5.0, "walk"]]}
        for number, box in ((1, PLACES[1]), (2, near))
    ]
    judged, _ = judge(labelled({}, people=people), frames, "test")
    assert [(one.person, one.missed) for one in judged] == [(1, True), (2, False)]


def test_precision_counts_answers_and_coverage_all_person_seconds() -> None:
    scores = {4: ("walk", 0.95), 5: ("walk", 0.6), 6: ("stand", 0.9), 7: ("other", 0.99)}
    judged, _ = judge(
        labelled({1: "wwwwwwww"}), predicted({1: lambda time: scores.get(int(time), ("walk", 1))}), "test"
    )
    assert selective(judged, 0.0)[:2] == (2 / 3, 0.75)
    assert selective(judged, 0.7)[:2] == (0.5, 0.5)
    assert selective(judged, 0.99)[:2] == (None, 0.0)
    others, _ = judge(labelled({1: "oooooooo"}), predicted({1: lambda _: ("other", 0.9)}), "test")
    assert selective(others, 0.5)[:2] == (1, 1) and selective(others, 0.5, other_is_right=False)[:2] == (None, 0)
