"""Result files: valid content, tolerated content with warnings, and errors that name their place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.training.result_files import as_json
from training.benchmark.psc import evaluate
from training.benchmark.submission import (
    GroundTruth,
    Prediction,
    SubmissionError,
    parse_ground_truth,
    parse_prediction,
    read_ground_truth,
)

BOX = [0, 0, 99, 99]
FRAME = "img_00001.json"


def person(verb: Any = "bend", box: Any = None) -> dict[str, Any]:
    return {"number": 1, "box": BOX, "parts": {"head": {"number": 1, "box": box or BOX, "verb": verb, "name": "head"}}}


TRUTH: dict[str, Any] = {
    "a": {FRAME: {"humans": [person(), person("lift")]}},
    "b": {FRAME: {"humans": []}, "img_00006.json": {"humans": [person()]}},
}
GUESS: dict[str, Any] = {
    "a": {FRAME: {"humans": [person(["bend"], [BOX]), person(["lift"], [BOX])]}},
    "b": {"img_00006.json": {"humans": [person(["bend"], [BOX])]}},
}
CLASSES = {"a": "lunge", "b": "push_up"}


def truth(change: Callable[[Any], object] = lambda tree: None) -> GroundTruth:
    tree = copy.deepcopy(TRUTH)
    change(tree)
    return parse_ground_truth(as_json(CLASSES), as_json(tree))


def guess(change: Callable[[Any], object] = lambda tree: None) -> Prediction:
    tree = copy.deepcopy(GUESS)
    change(tree)
    return parse_prediction(as_json(CLASSES), as_json(tree), truth())


def head(tree: Any) -> Any:
    return tree["a"][FRAME]["humans"][1]["parts"]["head"]


def test_valid_files_are_read_without_warnings() -> None:
    read, predicted = truth(), guess()
    assert (read.videos, read.actions) == (("a", "b"), ("lunge", "push_up"))
    assert (read.frame_names, read.frame_video.tolist()) == ((FRAME, FRAME, "img_00006.json"), [0, 1, 1])
    assert read.people.person_frame.tolist() == [0, 0, 2]
    assert list(read.verbs) == ["bend", "lift"]
    assert predicted.people.present.tolist() == [True, False, True]
    assert (read.warnings, predicted.warnings) == ((), ())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: head(t).update(box=[[0, 0, "9", 9]]), "frame 'img_00001.json': Expected float, got str"),
        (lambda t: head(t).update(box=[0, 0, 9]), "part 'head': expected boxes of four numbers"),
        (lambda t: head(t).update(box=[BOX, 7]), "part 'head': expected boxes of four numbers"),
        (lambda t: head(t).pop("verb"), "missing required field verb"),
        (lambda t: head(t).update(box=[[0, 0, float("nan"), 9]]), "JSON is malformed"),
        (lambda t: head(t).update(box=[[0, 0, 1e30, 9]]), "up to 1,000,000"),
        (lambda t: t["a"][FRAME]["humans"][0].update(box=[1, 2]), r"length 4, at .humans\[0\].box"),
        (lambda t: t["a"][FRAME].update(humans=None), "video 'a', frame 'img_00001.json': Expected array, got null"),
        (lambda t: t.update(a=[1]), "Expected object, got array"),
        (lambda t: t.pop("b"), "1 of 2 videos of the ground truth are missing: 'b'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_file_and_place(change: Callable[[Any], object], words: str) -> None:
    with pytest.raises(SubmissionError, match=f"^pred_part_result.json: .*{words}"):
        guess(change)


@pytest.mark.parametrize("content", [as_json(GUESS)[:-40], b"", b"\xff\xfe{}", b'{"a": ' + b"[" * 100_000, b"[]"])
def test_a_file_that_is_not_complete_json_is_refused(content: bytes) -> None:
    with pytest.raises(SubmissionError, match=r"^pred_part_result.json: "):
        parse_prediction(as_json(CLASSES), content, truth())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"gt_vid_result.json: can't be read"):
        read_ground_truth(tmp_path)


def test_videos_and_frames_outside_the_truth_are_ignored() -> None:
    def extra(tree: Any) -> None:
        tree["z"] = {FRAME: {"humans": [person()] * 40}}
        tree["a"]["img_00099.json"] = {"humans": "many"}

    read = guess(extra)
    assert read.people.present.tolist() == [True, False, True]
    assert read.warnings == (
        "pred_part_result.json: videos that are not in the ground truth are ignored, 1 in all: 'z'",
    )


def test_more_than_ten_people_or_five_proposals_are_rejected() -> None:
    def people(number: int) -> Callable[[Any], object]:
        return lambda tree: tree["a"][FRAME].update(humans=[person(["bend"], [BOX])] * number)

    guess(people(10))
    with pytest.raises(SubmissionError, match=f"video 'a', frame '{FRAME}': 11 people; .* 10 per frame"):
        guess(people(11))
    with pytest.raises(SubmissionError, match=r"11 people"):  # in a frame without true people
        guess(lambda tree: tree["b"].update({FRAME: {"humans": [person(["bend"], [BOX])] * 11}}))

    def proposals(boxes: int, verbs: int) -> Callable[[Any], object]:
        return lambda tree: head(tree).update(box=[[500, 500, 501, 501]] * boxes, verb=["bend"] * verbs)

    guess(proposals(5, 5))
    for boxes, verbs in ((6, 6), (6, 5), (5, 6)):
        with pytest.raises(SubmissionError, match=r"part 'head': 6 proposals; .* 5 per part"):
            guess(proposals(boxes, verbs))


@pytest.mark.parametrize("change", [{"box": BOX, "verb": "lift"}, {"box": [BOX], "verb": "lift"}, {"box": BOX}])
def test_a_single_value_instead_of_a_list_is_one_proposal(change: dict[str, Any]) -> None:
    read = guess(lambda tree: head(tree).update(change))
    assert evaluate(truth(), read).psc.tolist() == evaluate(truth(), guess()).psc.tolist() == [1.0, 1.0]
    assert len(read.warnings) == 1 and "read as one proposal: 1;" in read.warnings[0]


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda tree: head(tree).update(box=[BOX, BOX]), "unequal numbers of boxes and verbs: 1;"),
        (lambda tree: head(tree).update(verb=["lift", "bend"]), "unequal numbers of boxes and verbs: 1;"),
        (lambda tree: head(tree).update(box=[[99, 0, 0, 99]]), "boxes with x2 < x1 or y2 < y1: 1;"),
        (lambda tree: tree["b"].clear(), "missing and score 0: 1 of 2; the first: 'b', 'img_00006"),
    ],
)
def test_tolerated_content_gives_a_warning(change: Callable[[Any], object], warning: str) -> None:
    (found,) = guess(change).warnings
    assert found.startswith("pred_part_result.json: ") and warning in found
