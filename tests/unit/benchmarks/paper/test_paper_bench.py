"""Tests of the comparison of the paper's profile with the plain loop."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks import machine
from benchmarks.main import main
from benchmarks.paper.paper_bench import OURS, PLAIN, PaperMeasured, PaperPlan, Run, print_paper
from benchmarks.paper.paper_contenders import ActingPerson, Answer, Boxes, Comparison, matched_boxes
from stages.types import ModelInfo
from support.models.drawn_people import write_drawn_checkpoint, write_film


def boxes(*rows: tuple[float, str], score: float = 0.9) -> Boxes:
    """Return squares of ten pixels at the given places."""
    corners = np.array([(x, 0, x + 10, 10) for x, _ in rows], np.float32).reshape(-1, 4)
    return Boxes(corners, np.full(len(rows), score, np.float32), [label for _, label in rows])


def answer(found: Boxes, people: Sequence[tuple[float, str]] = ()) -> Answer:
    return Answer(found, [ActingPerson((x, 0, x + 10, 10), action) for x, action in people])


def compared(boxes: int, matched: int) -> Comparison:
    return Comparison(10, boxes, matched, boxes, matched, 20, 20, 19)


def measured(times: float, same: Comparison, cameras: int = 4, pairs: int = 9) -> PaperMeasured:
    """Return figures in which the plain loop takes `times` as long, within one per cent."""
    made = PaperMeasured(
        PaperPlan("drawn", cameras=cameras, pairs=pairs), ModelInfo("drawn", "sha256:0", True), 1, (160, 128), 40
    )
    theirs = [Run(10.0 * times * (0.99 + 0.02 * number / pairs), 9.0, 9.0 * times) for number in range(pairs)]
    made.runs = {OURS: [Run(10.0, 8.0, 9.0)] * pairs, PLAIN: theirs}
    made.same = same
    return made


def test_boxes_are_matched_one_to_one_within_their_class_best_scores_first() -> None:
    ours = boxes((0, "ball"), (0.2, "ball"), (50, "ball"), (80, "person"))
    assert matched_boxes(ours, boxes((0, "ball"), (80, "person")), 0.9) == (4, 2)
    assert matched_boxes(ours, boxes((0, "person"), (80, "ball")), 0.9) == (4, 0)
    assert matched_boxes(ours, boxes((0, "ball"), (0, "ball"), (51, "ball")), 0.9) == (4, 2)


def test_boxes_with_low_scores_are_matched_but_not_counted() -> None:
    one, faint = boxes((0, "ball")), boxes((0, "ball"), score=0.29)
    assert matched_boxes(one, faint, 0.9) == (1, 1)
    assert matched_boxes(faint, one, 0.9) == (0, 0)


def test_additional_boxes_of_the_other_count_as_much_as_missing_ones() -> None:
    comparison = Comparison()
    comparison.add(answer(boxes((0, "ball"))), answer(boxes((0, "ball"), (50, "ball"))))
    assert (comparison.boxes, comparison.matched, comparison.their_matched, comparison.share) == (1, 1, 1, 0.5)


def test_actions_are_compared_only_for_matched_people() -> None:
    comparison = Comparison()
    nothing = boxes()
    comparison.add(answer(nothing, [(0, "walk"), (50, "jump")]), answer(nothing, [(50, "walk"), (0, "walk")]))
    comparison.add(answer(nothing, [(0, "walk")]), answer(nothing, [(70, "walk")]))
    assert (comparison.people, comparison.same_people, comparison.same_actions) == (3, 2, 1)


@pytest.mark.parametrize(
    "same", [compared(499, 499), compared(1000, 989), replace(compared(1000, 1000), their_boxes=1100)]
)
def test_too_few_or_different_boxes_allow_no_ratio(same: Comparison) -> None:
    made = measured(20, same)
    assert made.ratio() is None and made.as_json()["ratio"] is None
    assert made.goal.outcome == "not resolved"
    console = Console(width=220, file=io.StringIO(), record=True)
    print_paper(made, machine.describe(), console)
    text = console.export_text()
    assert "No ratio is reported" in text and "20.0" not in text


def test_the_goal_requires_its_number_of_cameras_and_the_whole_interval() -> None:
    same = compared(500, 495)
    assert measured(1.4, same).goal.outcome == "met"
    assert measured(1.2, same).goal.outcome == "missed"
    assert measured(1.3, same).goal.outcome == "not resolved"
    assert measured(1.4, same, pairs=5).goal.outcome == "not resolved"
    assert measured(1.4, same, cameras=8).goal.outcome == "not resolved"


def test_the_command_measures_a_checkpoint_and_writes_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, film = write_drawn_checkpoint(tmp_path / "drawn.safetensors"), write_film(tmp_path / "film.mp4", 40)
    file = tmp_path / "figures.json"
    arguments = ["paper", "--profile", str(checkpoint), "--video", str(film), "--cameras", "2", "--threads", "1"]
    assert main([*arguments, "--quick", "--json", str(file)]) == 0
    assert "No ratio is reported" in capsys.readouterr().out
    found = json.loads(file.read_text())
    same = found["same_answers"]
    assert same["frames"] == 2 * 2 * 3 and same["boxes"] > 100 and same["share"] == 1
    assert same["same_actions"] == same["people"] > 12
    assert set(found["runs"]) == {OURS, PLAIN}
    for run in [run for runs in found["runs"].values() for run in runs]:
        assert 0 < run["detection_ms"] < run["ms"]
    assert main(["paper", "--profile", "edge"]) == 1
    assert "detects people with MoveNet" in " ".join(capsys.readouterr().err.split())
