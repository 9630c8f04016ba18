"""The benchmark's metric: exactly equal to the official evaluator and to a plain re-implementation."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.repository import REPOSITORY
from support.training import psc_reference
from support.training.psc_pairs import Pair, as_json
from training.benchmark.box_overlap import inclusive_iou
from training.benchmark.psc import Correctness, accuracy_at, area, assign, evaluate
from training.benchmark.submission import parse_ground_truth, parse_prediction

CASES = REPOSITORY / "tests" / "data" / "psc_cases.json.gz"
FRAME = "img_00001.json"


def evaluated(
    truth: dict[str, Any], guess: dict[str, Any], actions: dict[str, str], answers: dict[str, str]
) -> Correctness:
    true = parse_ground_truth(as_json(actions), as_json(truth))
    return evaluate(true, parse_prediction(as_json(answers), as_json(guess), true))


def one_video(truth: dict[str, Any], guess: dict[str, Any]) -> Correctness:
    return evaluated({"v": truth}, {"v": guess}, {"v": "lunge"}, {"v": "lunge"})


def person(box: list[Any], **parts: tuple[list[Any], Any]) -> dict[str, Any]:
    return {"box": box, "parts": {name: {"box": where, "verb": verb} for name, (where, verb) in parts.items()}}


def shares(*right: int, of: int = 10) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return truth and prediction of frames with one person of `of` parts, of which `right` are correct in each
    frame."""
    box = [0, 0, 99, 99]
    true = person(box, **{f"part{i}": (box, "bend") for i in range(of)})
    truth, guess = {}, {}
    for number, count in enumerate(right):
        verbs = ["bend"] * count + ["none"] * (of - count)
        truth[str(number)] = {"humans": [true]}
        guess[str(number)] = {"humans": [person(box, **{f"part{i}": ([box], [v]) for i, v in enumerate(verbs)})]}
    return truth, guess


@pytest.mark.parametrize("number", range(12))
def test_area_and_psc_equal_the_official_evaluators_in_its_cases(number: int) -> None:
    case = json.loads(gzip.decompress(CASES.read_bytes()))[number]
    found = evaluated(case["gt_part_result"], case["pred_part_result"], case["gt_vid_result"], case["pred_vid_result"])
    assert dict(zip(case["gt_vid_result"], found.psc.tolist())) == case["psc"]
    assert found.area == case["area"]


@settings(max_examples=examples(100), derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**32), whole=st.booleans())
def test_random_pairs_give_the_same_result_as_the_plain_implementation(seed: int, whole: bool) -> None:
    pair = Pair(seed, whole=whole)
    truth, prediction = pair.read()
    found = evaluate(truth, prediction)
    expected = psc_reference.psc_of_videos(pair.truth, pair.guess)
    assert dict(zip(truth.videos, found.psc.tolist())) == expected
    assert abs(found.area - psc_reference.closed_form(expected, pair.right())) < 1e-12


@pytest.mark.parametrize("seed", range(12))
def test_the_area_equals_the_sum_over_thresholds_exactly(seed: int) -> None:
    pair = Pair(seed, whole=True)
    found = evaluate(*pair.read())
    assert found.area == psc_reference.area(psc_reference.psc_of_videos(pair.truth, pair.guess), pair.right())


@pytest.mark.parametrize("whole", [True, False])
def test_the_random_pairs_cover_every_deciding_case(whole: bool) -> None:
    seen: Counter[str] = Counter()
    for seed in range(150):
        seen.update(Pair(seed, whole=whole).seen)
    assert {name for name, count in seen.items() if count >= 10} == {
        "tie",
        "dummy",
        "frame absent",
        "frame absent, its people without parts",
        "frame of people without parts",
        "no verb",
        "five proposals",
        "verb twice",
    }


@pytest.mark.parametrize("right", range(11))
def test_a_psc_that_equals_a_threshold_reaches_it(right: int) -> None:
    found = one_video(*shares(right))
    assert found.psc[0] == right / 10
    reached = min(right * 1000, 9999)
    thresholds = np.arange(1, 10_000) / 10_000
    assert int((accuracy_at(found.psc, found.right, thresholds) == 1).sum()) == reached
    assert found.area == pytest.approx(reached / 10_000, abs=1e-12)


@pytest.mark.parametrize(
    ("right", "psc", "reached"),
    [
        ((1, 2, 3), 0.20000000000000004, 2000),
        ((3, 2, 1), 0.19999999999999998, 1999),  # the same frames in a different order
        ((1, 7), 0.39999999999999997, 3999),
        ((1, 2), 0.15000000000000002, 1500),
    ],
)
def test_frames_are_added_in_the_files_order_without_rounding(right: tuple[int, ...], psc: float, reached: int) -> None:
    found = one_video(*shares(*right))
    assert found.psc[0] == psc
    assert found.area == pytest.approx(reached / 10_000, abs=1e-12)


def test_parts_are_added_per_person_before_people_are_added() -> None:
    (psc, one_by_one), straight = sums_of_two_people([1, 5])
    assert psc == (one_by_one + one_by_one) / 4 != straight / 4


def test_the_parts_of_a_person_are_added_one_by_one() -> None:
    proposed = [1, 1, 1, 1, 1, 3, 3, 3, 1, 1]
    (psc, one_by_one), _ = sums_of_two_people(proposed)
    in_pairs = float(np.sum([1 / count for count in proposed]))
    assert psc == (one_by_one + one_by_one) / 20 != (in_pairs + in_pairs) / 20


def sums_of_two_people(proposed: list[int]) -> tuple[tuple[float, float], float]:
    """Return the PSC of two equal people whose parts score 1 / `proposed` with the sum of one's parts, and the sum of
    both in one pass."""
    boxes = [[0, 0, 99, 99], [500, 0, 599, 99]]
    verbs = {f"part{i}": ["bend"] + ["none"] * (count - 1) for i, count in enumerate(proposed)}
    true = [person(box, **dict.fromkeys(verbs, (box, "bend"))) for box in boxes]
    guess = [person(box, **{name: ([box] * len(v), v) for name, v in verbs.items()}) for box in boxes]
    found = one_video({FRAME: {"humans": true}}, {FRAME: {"humans": guess}})
    one = both = 0.0
    for count in proposed:
        one += 1 / count
    for count in proposed * 2:
        both += 1 / count
    return (float(found.psc[0]), one), both


@pytest.mark.parametrize(
    ("true", "guess", "matched"),
    [
        ([0, 0, 9, 9], [0, 0, 9, 4], False),  # exactly one half
        ([0, 0, 9, 9], [0, 0, 9, 5], True),
        # slightly above or below one half in float64, and the opposite in float32
        ([0.0, 0.0, 64.0, 66.62], [0.0, 0.0, 31.5, 66.62], True),
        ([0.0, 0.0, 111.0, 221.83], [0.0, 0.0, 55.0, 221.83], False),
    ],
)
def test_people_match_above_one_half_in_float32(true: list[Any], guess: list[Any], matched: bool) -> None:
    bystander = person([1000, 0, 1099, 99])
    found = one_video(
        {FRAME: {"humans": [bystander, person(true, head=(true, "bend"))]}},
        {FRAME: {"humans": [person(guess, head=([true], ["bend"])), bystander]}},
    )
    assert found.psc[0] == float(matched)
    assert found.person_match.tolist() == [1, 0 if matched else -1]


@pytest.mark.parametrize(("right", "score"), [(2, 1.0), (1, 0.0)])
def test_parts_match_from_three_tenths_on_in_inclusive_pixels(right: int, score: float) -> None:
    box = [0, 0, 99, 99]
    found = one_video(
        {FRAME: {"humans": [person(box, head=([0, 0, 9, 0], "bend"))]}},
        {FRAME: {"humans": [person(box, head=([[0, 0, right, 0]], ["bend"]))]}},
    )
    assert found.psc[0] == score


def test_touching_boxes_share_a_pixel_and_separate_boxes_have_an_iou_of_minus_one() -> None:
    box = np.array([0.0, 0.0, 9.0, 9.0])
    assert inclusive_iou(box, np.array([9.0, 9.0, 18.0, 18.0])) == 1 / 199
    assert inclusive_iou(box, np.array([10.0, 0.0, 19.0, 9.0])) == -1
    assert inclusive_iou(box, np.array([9.0, 9.0, 0.0, 0.0])) == -1
    single = inclusive_iou(box.astype(np.float32), box.astype(np.float32))
    assert single.dtype == np.float32 and single == 1


def test_a_dummy_is_assigned_before_a_person_without_overlap() -> None:
    rows, columns = assign(np.array([[0.6, -1.0, -1.0], [0.55, -1.0, -1.0]], dtype=np.float32))
    assert (rows.tolist()[columns.tolist().index(0)], len(rows)) == (0, 2)
    rows, columns = assign(np.array([[-1.0], [0.4]], dtype=np.float32))
    assert list(zip(rows.tolist(), columns.tolist())) == [(1, 0)]


def test_costs_are_rounded_to_float32_only_if_there_are_as_many_people_as_predictions() -> None:
    """1 - 2^-26 is 1 in float32, so that different costs become a tie, which the diagonal wins."""
    little = 2.0**-26
    rows, columns = assign(np.array([[0, little], [little, 0]], dtype=np.float32))
    assert list(zip(rows.tolist(), columns.tolist())) == [(0, 0), (1, 1)]
    rows, columns = assign(np.array([[0, little, 0], [little, 0, 0]], dtype=np.float32))
    assert list(zip(rows.tolist(), columns.tolist())) == [(0, 1), (1, 0)]


def test_the_assignment_maximises_the_total_before_the_threshold() -> None:
    """The best single pair (0.9) is given up for a greater total, half of which then fails the threshold."""
    rows, columns = assign(np.array([[0.9, 0.85], [0.45, 0.1]], dtype=np.float32))
    assert list(zip(rows.tolist(), columns.tolist())) == [(0, 1), (1, 0)]


def test_the_psc_is_one_without_counted_frames_and_zero_for_an_absent_frame() -> None:
    bare = {"humans": [person([0, 0, 9, 9])]}
    assert one_video({}, {}).psc[0] == 1
    assert one_video({FRAME: {"humans": []}}, {}).psc[0] == 1
    assert one_video({FRAME: bare}, {FRAME: {"humans": []}}).psc[0] == 1
    assert one_video({FRAME: bare}, {}).psc[0] == 0
    assert one_video({FRAME: {"humans": []}}, {}).area == pytest.approx(0.9999, abs=1e-12)


def test_the_correct_verb_may_be_in_any_proposal_but_must_be_at_the_correct_box() -> None:
    box, away = [0, 0, 99, 99], [200, 200, 250, 250]
    truth = {FRAME: {"humans": [person(box, head=(box, "bend"))]}}

    def psc(boxes: list[Any], verbs: list[str]) -> float:
        return float(one_video(truth, {FRAME: {"humans": [person(box, head=(boxes, verbs))]}}).psc[0])

    assert psc([away, box], ["none", "bend"]) == 1 / 2
    assert psc([away, box], ["bend", "none"]) == 0
    assert psc([box, box, box], ["bend"] * 3) == 1 / 3
    assert psc([], []) == 0
    assert psc([box], ["bend", "none"]) == 1 / 2  # a verb without a box counts as a proposal
    assert psc([box, away], ["bend"]) == 1


def test_the_order_of_parts_and_extra_fields_do_not_matter() -> None:
    pair = Pair(5, whole=True)
    before = evaluate(*pair.read())
    for frames in pair.guess.values():
        for frame in frames.values():
            frame["note"] = None
            for human in frame["humans"]:
                human["score"] = 0.5
                human["parts"] = dict(reversed(human["parts"].items()))
    after = evaluate(*pair.read())
    assert before.psc.tolist() == after.psc.tolist() and before.psc.any()


def test_area_is_at_most_9999_steps_and_counts_only_the_right_class() -> None:
    psc = np.array([1.0, 1.0, 0.5])
    assert area(psc, np.array([True, True, True])) == pytest.approx((0.9999 * 2 + 0.5) / 3, abs=1e-12)
    assert area(psc, np.array([True, False, False])) == pytest.approx(0.3333, abs=1e-12)
    assert area(psc, np.array([False, False, False])) == 0
