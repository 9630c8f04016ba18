"""The summary of an evaluation: figures of parts, states and classes, answers over time, the JSON object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.training.result_files import as_json
from training.benchmark.evaluation_summary import PartTally, Summary, summarise
from training.benchmark.evaluation_summary import as_json as summary_as_json
from training.benchmark.observed_answers import SHARES, read_answers, recognise
from training.benchmark.psc import evaluate
from training.benchmark.submission import GroundTruth, SubmissionError, parse_ground_truth, parse_prediction

BOX = [0, 0, 99, 99]
AWAY = [300, 300, 399, 399]


def person(box: list[int], **parts: Any) -> dict[str, Any]:
    return {"box": box, "parts": {name: {"box": where, "verb": verb} for name, (where, verb) in parts.items()}}


def small() -> Summary:
    """Return two videos: in `a`, one of two people is found; `b` has the wrong class."""
    actions, answers = {"a": "lunge", "b": "push_up"}, {"a": "lunge", "b": "lunge"}
    true = {
        "a": [
            person(BOX, zeta=(BOX, "bend"), hip=(BOX, "none"), head=(BOX, "none")),
            person(AWAY, head=(AWAY, "bend")),
        ],
        "b": [person(BOX, head=(BOX, "none"))],
    }
    guess = {
        "a": [person(BOX, zeta=([BOX, BOX], ["none", "bend"]), hip=([AWAY], ["none"]), head=([BOX], ["bend"]))],
        "b": [person(BOX, head=([BOX], ["none"]))],
    }
    truth = parse_ground_truth(as_json(actions), as_json({v: {"1": {"humans": h}} for v, h in true.items()}))
    prediction = parse_prediction(as_json(answers), as_json({v: {"1": {"humans": h}} for v, h in guess.items()}), truth)
    return summarise(truth, prediction, evaluate(truth, prediction))


def test_each_part_is_counted_by_person_box_and_state() -> None:
    summary = small()
    assert summary.parts == {
        "head": PartTally(count=3, person_matched=2, located=2, right=1, correctness=1 / 3),
        "hip": PartTally(count=1, person_matched=1, located=0, right=0, correctness=0.0),
        "zeta": PartTally(count=1, person_matched=1, located=1, right=1, correctness=0.5),
    }
    assert list(summary.parts) == ["head", "hip", "zeta"]  # the vocabulary's order, then the others


def test_figures_by_state_are_by_true_state_most_frequent_first() -> None:
    states = small().states
    assert list(states) == ["none", "bend"]
    assert states["none"] == PartTally(count=3, person_matched=3, located=2, right=1, correctness=1 / 3)
    assert states["bend"] == PartTally(count=2, person_matched=1, located=1, right=1, correctness=0.25)


def test_classes_and_videos_add_up() -> None:
    summary = small()
    assert (summary.video_accuracy, summary.mean_psc) == (0.5, (0.125 + 1) / 2)
    assert (summary.people, summary.people_matched, summary.frames) == (3, 2, 2)
    assert summary.confusion() == {"lunge": {"lunge": 1}, "push_up": {"lunge": 1}}
    assert summary.actions["lunge"].area == pytest.approx(0.125, abs=1e-12)
    assert summary.actions["push_up"].area == 0
    assert summary.accuracy_at.tolist() == [0.5, *[0.0] * 8]


def test_the_json_object_has_numbers_and_names_and_survives_a_round_trip() -> None:
    found = summary_as_json(small())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["area"] == pytest.approx(0.0625, abs=1e-12)
    assert (found["psc"], found["video_accuracy"]) == ({"a": 0.125, "b": 1.0}, 0.5)
    assert list(found["accuracy_at"]) == [f"0.{tenth}" for tenth in range(1, 10)]
    assert found["parts"]["head"]["count"] == 3 and found["observed"] is None


# -- answers over time ------------------------------------------------------------------------------------------
def truth_of(**actions: str) -> GroundTruth:
    return parse_ground_truth(as_json(actions), as_json({video: {} for video in actions}))


def test_an_answer_is_valid_until_the_next_and_the_last_ends_the_video() -> None:
    answers = [[(0.0, None, 0.0), (2.0, "wave", 0.5), (4.0, "clap", 0.5), (6.0, "wave", 0.9), (10.0, "wave", 0.9)]]
    found = recognise(answers, ["wave"])
    right = dict(zip(np.round(SHARES, 2).tolist(), found.accuracy.tolist()))
    assert [right[share] for share in (0.0, 0.19, 0.2, 0.39, 0.4, 0.59, 0.6, 1.0)] == [0, 0, 1, 1, 0, 0, 1, 1]
    assert found.settled_s.tolist() == [6.0]


def test_a_wrong_final_class_counts_as_infinite_time_in_the_median() -> None:
    wrong_at_last = [(0.5, "wave", 1.0), (1.0, "clap", 1.0)]
    always = [(0.5, "wave", 1.0), (1.0, "wave", 1.0)]
    found = recognise([always, wrong_at_last, [], always], ["wave"] * 4)
    assert found.settled_s.tolist() == [0.5, np.inf, np.inf, 0.5]
    assert found.settled_after(0.5) == 0.5 and found.settled_after(0.75) is None
    assert found.accuracy[-1] == 0.5 and found.accuracy[60] == 0.75
    assert recognise([[], always], ["wave"] * 2).settled_after(0.9) is None


def test_answers_are_read_for_the_truths_videos_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "online.json"
    path.write_bytes(as_json({"z": [], "b": [[1, None, 0]], "a": [[0.5, "wave", 0.25]]}))
    assert read_answers(path, truth_of(a="wave", b="clap")) == [[(0.5, "wave", 0.25)], [(1.0, None, 0.0)]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"b": []}', "1 of 1 videos .* missing: 'a'"),
        (b'{"a": [[0, "wave"]]}', "length 3"),
        (b'{"a": [[2, "wave", 1], [1, "wave", 1]]}', "video 'a': the answers' seconds must ascend from 0"),
        (b"[]", "Expected object, got array"),
    ],
)
def test_an_invalid_file_of_answers_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "online.json"
    path.write_bytes(content)
    with pytest.raises(SubmissionError, match=f"^online.json: .*{words}"):
        read_answers(path, truth_of(a="wave"))
