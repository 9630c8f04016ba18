"""Result files: valid content, tolerated content with warnings, and errors that name their place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.training.psc_pairs import as_json
from training.benchmark.psc import evaluate
from training.benchmark.submissions.submission import (
    GroundTruth,
    Prediction,
    parse_ground_truth,
    parse_prediction,
    read_ground_truth,
    read_prediction,
)
from training.benchmark.submissions.submission_errors import (
    MissingVideosError,
    Place,
    SubmissionError,
    TooManyError,
    UnreadableFileError,
    WrongValueError,
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
    ("change", "place", "problem"),
    [
        (lambda t: head(t).update(box=[[0, 0, "9", 9]]), ("a", FRAME, 2, "head", "box"), "expected float, got str"),
        (lambda t: head(t).update(box=[[0, 0, 9]]), ("a", FRAME, 2, "head", "box"), "length 4"),
        (lambda t: head(t).update(box=[0, 0, 9]), ("a", FRAME, 2, "head", "box"), "each of four numbers"),
        (lambda t: head(t).update(box=[BOX, 7]), ("a", FRAME, 2, "head", "box"), "each of four numbers"),
        (lambda t: head(t).update(box=[True] * 4), ("a", FRAME, 2, "head", "box"), "got bool"),
        (lambda t: head(t).update(verb=[3]), ("a", FRAME, 2, "head", "verb"), "expected str, got int"),
        (lambda t: head(t).pop("verb"), ("a", FRAME, 2, "head", None), "missing required field verb"),
        (lambda t: head(t).update(box=[[0, 0, float("nan"), 9]]), ("a", FRAME, 2, "head", "box"), "NaN"),
        (lambda t: head(t).update(box=[[0, 0, float("-inf"), 9]]), ("a", FRAME, 2, "head", "box"), "-Infinity"),
        (lambda t: head(t).update(box=[[0, 0, 1e30, 9]]), ("a", FRAME, 2, "head", "box"), "up to 1,000,000"),
        (lambda t: head(t).update(box=[[0, 0, 10**400, 9]]), ("a", FRAME, 2, "head", "box"), "out of range"),
        (lambda t: t["a"][FRAME]["humans"][0].update(box=[1, 2]), ("a", FRAME, 1, None, "box"), "length 4"),
        (lambda t: t["a"][FRAME]["humans"][0].update(box=[0, 0, -2e6, 1]), ("a", FRAME, 1, None, "box"), "not a box"),
        (lambda t: t["a"][FRAME]["humans"][0].update(box=[float("nan")] * 4), ("a", FRAME, 1, None, "box"), "NaN"),
        (lambda t: t["a"][FRAME]["humans"][0].pop("box"), ("a", FRAME, 1, None, None), "required field box"),
        (lambda t: t["a"][FRAME]["humans"][0].update(parts=[]), ("a", FRAME, 1, None, "parts"), "expected object"),
        (lambda t: t["a"][FRAME].update(humans=None), ("a", FRAME, None, None, "humans"), "expected array, got null"),
        (lambda t: t["a"].update({FRAME: []}), ("a", FRAME, None, None, None), "expected object, got array"),
        (lambda t: t.update(a=[1]), ("a", None, None, None, None), "expected object, got array"),
    ],
)
def test_a_wrong_value_is_named_with_file_video_frame_person_part_and_field(
    change: Callable[[Any], object], place: tuple[Any, ...], problem: str
) -> None:
    with pytest.raises(WrongValueError) as raised:
        guess(change)
    assert raised.value.place == Place("pred_part_result.json", *place)
    assert problem in raised.value.problem
    assert all(repr(step) in str(raised.value) for step in place if isinstance(step, str))


def test_a_true_part_with_several_boxes_or_verbs_is_rejected() -> None:
    with pytest.raises(WrongValueError, match=r"gt_part_result.json: .*part 'head', field 'verb': expected str"):
        truth(lambda tree: head(tree).update(verb=["bend"]))
    with pytest.raises(WrongValueError, match=r"part 'head', field 'box'"):
        truth(lambda tree: head(tree).update(box=[BOX]))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (as_json(GUESS)[:-40], "ends in the middle of a value, after .* bytes"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{'a': 1}", "is not JSON"),
        (as_json(GUESS) + b"}", "is not JSON: trailing characters"),
        (b"\xff\xfe{}", "is not JSON"),
        (b'{"a": ' + b"[" * 100_000, "is nested too deeply"),
        (b'{"a": {"img_00001.json": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "is nested too deeply"),
        (b'{"a\xff": {}}', "is not JSON"),
        (b'{"\\ud800": {}}', "is not JSON"),
    ],
)
def test_a_file_that_is_not_complete_json_is_reported(content: bytes, problem: str) -> None:
    with pytest.raises(UnreadableFileError, match=f"^pred_part_result.json: {problem}"):
        parse_prediction(as_json(CLASSES), content, truth())


def test_json_of_another_kind_is_reported() -> None:
    with pytest.raises(WrongValueError, match=r"^pred_part_result.json: expected object, got array"):
        parse_prediction(as_json(CLASSES), b"[]", truth())
    with pytest.raises(WrongValueError, match=r"^pred_vid_result.json: video 'b': expected str, got int"):
        parse_prediction(as_json({"a": "lunge", "b": 3}), as_json(GUESS), truth())
    with pytest.raises(WrongValueError, match=r"^gt_vid_result.json: has no video"):
        parse_ground_truth(b"{}", b"{}")


def test_a_missing_file_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"^gt_vid_result.json: there is no such file in '.*'"):
        read_ground_truth(tmp_path)
    (tmp_path / "gt_vid_result.json").mkdir()
    with pytest.raises(UnreadableFileError, match=r"^gt_vid_result.json: can't be read"):
        read_ground_truth(tmp_path)


def test_files_are_read_from_disk(tmp_path: Path) -> None:
    for name, content in (
        ("gt_vid_result", CLASSES),
        ("gt_part_result", TRUTH),
        ("pred_vid_result", CLASSES),
        ("pred_part_result", GUESS),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    read = read_ground_truth(tmp_path)
    assert evaluate(read, read_prediction(tmp_path, read)).psc.tolist() == [1.0, 1.0]


def test_videos_without_a_prediction_are_an_error_that_counts_them() -> None:
    names = [f"v{number}" for number in range(8)]
    read = parse_ground_truth(as_json(dict.fromkeys(names, "lunge")), as_json({name: {} for name in names}))
    with pytest.raises(MissingVideosError, match=r"6 of 8 videos .* missing: 'v2', 'v3', 'v4' and 3 more") as raised:
        parse_prediction(as_json(dict.fromkeys(names, "lunge")), as_json({"v0": {}, "v1": {}}), read)
    assert raised.value.videos == tuple(names[2:])
    with pytest.raises(MissingVideosError, match=r"^pred_vid_result.json: 8 of 8"):
        parse_prediction(b"{}", as_json({name: {} for name in names}), read)
    with pytest.raises(MissingVideosError, match=r"^gt_part_result.json: 1 of 2 .* 'b'"):
        truth(lambda tree: tree.pop("b"))


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
    with pytest.raises(TooManyError, match=f"video 'a', frame '{FRAME}': 11 people; .* 10 per frame"):
        guess(people(11))
    with pytest.raises(TooManyError, match=r"11 people"):  # in a frame without true people
        guess(lambda tree: tree["b"].update({FRAME: {"humans": [person(["bend"], [BOX])] * 11}}))

    def proposals(boxes: int, verbs: int) -> Callable[[Any], object]:
        return lambda tree: head(tree).update(box=[[500, 500, 501, 501]] * boxes, verb=["bend"] * verbs)

    guess(proposals(5, 5))
    for boxes, verbs in ((6, 6), (6, 5), (5, 6)):
        with pytest.raises(TooManyError, match=r"person 2, part 'head', .*6 proposals; .* 5 per part"):
            guess(proposals(boxes, verbs))


def test_more_than_ten_true_people_are_allowed() -> None:
    read = truth(lambda tree: tree["a"][FRAME].update(humans=[person()] * 30))
    assert len(read.people.person_frame) == 31


@pytest.mark.parametrize("change", [{"box": BOX, "verb": "lift"}, {"box": [BOX], "verb": "lift"}, {"box": BOX}])
def test_a_single_value_instead_of_a_list_is_one_proposal(change: dict[str, Any]) -> None:
    read = guess(lambda tree: head(tree).update(change))
    assert evaluate(truth(), read).psc.tolist() == evaluate(truth(), guess()).psc.tolist() == [1.0, 1.0]
    assert len(read.warnings) == 1 and "read as one proposal: 1;" in read.warnings[0]


def test_a_truth_scored_against_itself_is_perfect() -> None:
    read = parse_prediction(as_json(CLASSES), as_json(TRUTH), truth())
    assert evaluate(truth(), read).psc.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda tree: head(tree).update(box=[BOX, BOX]), "unequal numbers of boxes and verbs: 1;"),
        (lambda tree: head(tree).update(verb=["lift", "bend"]), "unequal numbers of boxes and verbs: 1;"),
        (lambda tree: head(tree).update(box=[[99, 0, 0, 99]]), "boxes with x2 < x1 or y2 < y1: 1;"),
        (
            lambda tree: tree["b"].clear(),
            "missing and score 0: 1 of 2; the first: 'b', 'img_00006",
        ),
    ],
)
def test_tolerated_content_gives_a_warning(change: Callable[[Any], object], warning: str) -> None:
    (found,) = guess(change).warnings
    assert found.startswith("pred_part_result.json: ") and warning in found


def test_every_error_is_a_submission_error_with_one_line() -> None:
    for change in (lambda tree: tree.pop("b"), lambda tree: head(tree).update(verb=None)):
        with pytest.raises(SubmissionError) as raised:
            guess(change)
        assert "\n" not in str(raised.value)


ODD_VALUES = [None, True, -1, 1e300, "", "bend", [], [[]], {}, {"humans": 3}, [1, 2, 3, 4], [float("nan")], BOX]


@settings(max_examples=examples(100), derandomize=True, deadline=None)
@given(data=st.data())
def test_any_content_is_read_or_rejected_with_the_files_name(data: st.DataObject) -> None:
    """An odd value somewhere in the tree, or a byte of the file replaced, cut off or doubled."""
    tree = copy.deepcopy(GUESS)
    node = tree
    while True:
        key = data.draw(st.sampled_from(range(len(node)) if isinstance(node, list) else list(node)))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(st.sampled_from(ODD_VALUES))
    content = as_json(tree)
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(content) - 1))
        content = content[:at] + data.draw(st.binary(max_size=2)) + content[at + data.draw(st.integers(0, 40)) :]
    try:
        read = parse_prediction(as_json(CLASSES), content, truth())
    except SubmissionError as error:
        assert str(error).startswith("pred_part_result.json: ")
    else:
        assert np.isfinite(evaluate(truth(), read).psc).all()


def test_coordinates_are_read_exactly() -> None:
    values = [0.1, 1 / 3, 122.81295465838855, 5e-324]
    read = guess(lambda tree: head(tree).update(box=[values]))
    assert read.people.proposal_box[1].tolist() == values
