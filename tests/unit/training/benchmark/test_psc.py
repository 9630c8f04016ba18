"""The benchmark's metric: exactly equal to the official evaluator."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from support.repository import REPOSITORY
from support.training.result_files import as_json
from training.benchmark.psc import Correctness, evaluate
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


@pytest.mark.parametrize("number", range(12))
def test_area_and_psc_equal_the_official_evaluators_in_its_cases(number: int) -> None:
    case = json.loads(gzip.decompress(CASES.read_bytes()))[number]
    found = evaluated(case["gt_part_result"], case["pred_part_result"], case["gt_vid_result"], case["pred_vid_result"])
    assert dict(zip(case["gt_vid_result"], found.psc.tolist())) == case["psc"]
    assert found.area == case["area"]


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
