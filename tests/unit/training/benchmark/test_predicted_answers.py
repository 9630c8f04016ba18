"""The benchmark's files for a video: boxes, people, verbs, and the vote on its class."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.types import ActionAnalysis, Box, FrameAnalysis, PartAnalysis, PersonAnalysis
from training.benchmark.predicted_answers import ClassVote, default_class, predicted_frame, whole_box

ACTIONS = ("jump", "run", "walk", "other")


def part(name: str, relevance: float = 0.5, *states: str, box: Box = (1, 2, 3, 4)) -> PartAnalysis:
    return PartAnalysis(name, box, 0.9, relevance, [(state, 0.9 - at / 10) for at, state in enumerate(states)])


def person(score: float, top: dict[str, float] | None, *parts: PartAnalysis, box: Box = (0, 0, 9, 9)) -> PersonAnalysis:
    action = None
    if top is not None:
        best = list(top.items())
        action = ActionAnalysis(best[0][0], best[0][1], 0, best, best[0][0], best[0][1])
    return PersonAnalysis(1, box, score, action, list(parts))


def vote(*frames: list[PersonAnalysis]) -> tuple[str | None, float]:
    so_far = ClassVote(ACTIONS)
    for people in frames:
        so_far.add(FrameAnalysis(people))
    return so_far.answer()


def test_a_frame_is_written_in_the_documented_format() -> None:
    one = person(
        0.8,
        {"run": 1.0},
        part("left_arm", 0.2, "bend", "swing", box=(122.4, 65.5, 141.6, 109)),
        part("head", 0.1),
        box=(102.6, 77.2, 169, 173.4),
    )
    written = json.loads(msgspec.json.encode(predicted_frame(FrameAnalysis([one]), (640, 360))))
    assert written == {
        "humans": [
            {
                "number": 1,
                "box": [103, 77, 169, 173],
                "parts": {
                    "left_arm": {"number": 1, "name": "left_arm", "box": [[122, 66, 142, 109]], "verb": ["bend"]},
                    "head": {"number": 2, "name": "head", "box": [[1, 2, 3, 4]], "verb": ["none"]},
                },
            }
        ]
    }


def test_a_frame_keeps_the_ten_people_with_the_highest_scores() -> None:
    crowd = [person(at / 20, None, box=(at, 0, 30, 30)) for at in range(12)]
    found = predicted_frame(FrameAnalysis(crowd), (640, 360)).humans
    assert [one.box[0] for one in found] == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]
    assert [one.number for one in found] == list(range(1, 11))


edges = st.floats(-5000, 5000)


@given(st.tuples(edges, edges), st.tuples(edges, edges), st.integers(1, 4000), st.integers(1, 4000))
def test_boxes_stay_ordered_and_within_the_picture(
    across: tuple[float, float], down: tuple[float, float], width: int, height: int
) -> None:
    (x1, x2), (y1, y2) = sorted(across), sorted(down)
    box = whole_box((x1, y1, x2, y2), (width, height))
    assert 0 <= box[0] <= box[2] < width and 0 <= box[1] <= box[3] < height
    for whole, value, size in zip(box, (x1, y1, x2, y2), (width, height) * 2):
        assert abs(whole - value) <= 0.5 or whole in (0, size - 1)


def test_the_class_is_the_mean_over_people_and_frames_by_score_times_greatest_relevance() -> None:
    runs = person(0.5, {"run": 0.9, "walk": 0.1}, part("hip", 0.4), part("head", 0.1))  # weighs 0.2
    walks = person(0.8, {"walk": 0.7, "run": 0.2}, part("hip", 0.25), part("head", 0.5))  # weighs 0.4
    assert vote([runs, walks]) == ("walk", pytest.approx((0.2 * 0.1 + 0.4 * 0.7) / 0.6))
    assert vote([runs], [walks]) == vote([runs, walks])
    assert vote([runs], [runs], [runs], [walks]) == ("run", pytest.approx((0.6 * 0.9 + 0.4 * 0.2) / 1.0))


def test_a_video_without_people_is_other_if_there_is_such_an_action() -> None:
    assert default_class(ACTIONS) == "other"
    assert default_class(("push_up", "lunge")) == "push_up"
