"""Tests of the comparison of the paper's profile with the plain loop."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from benchmarks import machine
from benchmarks.main import main
from benchmarks.model.paced_frames import Paced, measure_rates
from benchmarks.paper.answer_comparison import ActingPerson, Answer, Boxes, Comparison, matched_boxes
from benchmarks.paper.paper_bench import OURS, PLAIN, Floor, PaperMeasured, PaperPlan, Run
from benchmarks.paper.paper_contenders import proposals_of, with_proposals
from benchmarks.paper.paper_report import goals, print_paper
from stages.checkpoint import Checkpoint
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.types import ModelInfo
from stages.vocabulary import packaged
from support.models.drawn_checkpoints import write_drawn_checkpoint
from support.models.drawn_people import description, write_film

WHERE = machine.describe()


def boxes(*rows: tuple[float, str], score: float = 0.9) -> Boxes:
    """Return squares of ten pixels at the given places."""
    corners = np.array([(x, 0, x + 10, 10) for x, _ in rows], np.float32).reshape(-1, 4)
    return Boxes(corners, np.full(len(rows), score, np.float32), [label for _, label in rows])


def answer(found: Boxes, people: Sequence[tuple[float, str]] = ()) -> Answer:
    return Answer(found, [ActingPerson((x, 0, x + 10, 10), action) for x, action in people])


def compared(boxes: int, matched: int) -> Comparison:
    return Comparison(10, boxes, matched, boxes, matched, 20, 20, 19)


def measured(times: float, same: Comparison, cameras: int = 4, device: str = "cpu", pairs: int = 9) -> PaperMeasured:
    """Return figures in which the plain loop takes `times` as long, within one per cent."""
    plan = PaperPlan(profile="drawn", device=device, cameras=cameras, pairs=pairs)
    made = PaperMeasured(plan, ModelInfo("drawn", "sha256:0", True), 1, (160, 128), 40, 60)
    made.runs = {
        OURS: [Run(10.0, 9.0)] * pairs,
        PLAIN: [Run(10.0 * times * (0.99 + 0.02 * number / pairs), 9.0 * times) for number in range(pairs)],
        f"{OURS}, 25 proposals": [Run(5.0, 4.5)] * pairs,
    }
    made.stages = {"detection": [8.0], "action_lstm": [0.5]}
    made.plain_halves = [(9.0, 6.0)] * pairs
    made.same = same
    made.kept = {f"{OURS}, 25 proposals": Comparison(10, 480, 470, 600, 450)}
    made.floor = Floor({"detection": 5e7, "action_lstm": 1e6}, 1e10, None)
    made.paced = [Paced(4, 2, 64, 64, 40.0, 90.0), Paced(4, 4, 128, 128, 90.0, 200.0)]
    return made


def test_boxes_are_matched_one_to_one_within_their_class_best_scores_first() -> None:
    ours = boxes((0, "ball"), (0.2, "ball"), (50, "ball"), (80, "person"))
    assert matched_boxes(ours, boxes((0, "ball"), (80, "person")), 0.9) == (4, 2)
    assert matched_boxes(ours, boxes((0, "person"), (80, "ball")), 0.9) == (4, 0)
    assert matched_boxes(ours, boxes((0, "ball"), (0, "ball"), (51, "ball")), 0.9) == (4, 2)
    assert matched_boxes(ours, boxes((0, "ball"), (0, "ball"), (51, "ball")), 0.8) == (4, 3)


def test_boxes_with_low_scores_are_matched_but_not_counted() -> None:
    one, faint = boxes((0, "ball")), boxes((0, "ball"), score=0.29)
    assert matched_boxes(one, faint, 0.9) == (1, 1)
    assert matched_boxes(faint, one, 0.9) == (0, 0)


def test_additional_boxes_of_the_other_count_as_much_as_missing_ones() -> None:
    comparison = Comparison()
    comparison.add(answer(boxes((0, "ball"))), answer(boxes((0, "ball"), (50, "ball"))))
    comparison.add(answer(boxes()), answer(boxes()))
    assert (comparison.frames, comparison.boxes, comparison.matched) == (2, 1, 1)
    assert (comparison.their_boxes, comparison.their_matched, comparison.share) == (2, 1, 0.5)


def test_actions_are_compared_only_for_matched_people() -> None:
    comparison = Comparison()
    nothing = boxes()
    comparison.add(answer(nothing, [(0, "walk"), (50, "jump")]), answer(nothing, [(50, "walk"), (0, "walk")]))
    comparison.add(answer(nothing, [(0, "walk")]), answer(nothing, [(70, "walk")]))
    assert (comparison.people, comparison.same_people, comparison.same_actions) == (3, 2, 1)


@pytest.mark.parametrize(
    ("same", "why"),
    [
        (compared(499, 499), "499 boxes have scores of 0.3 or more, 500 are needed"),
        (compared(0, 0), "0 boxes have scores of 0.3 or more, 500 are needed"),
        (compared(1000, 989), "98.90% of the boxes match, 99% are needed"),
        (replace(compared(1000, 1000), their_boxes=1100), "90.91% of the boxes match, 99% are needed"),
    ],
)
def test_too_few_or_different_boxes_allow_no_ratio(same: Comparison, why: str) -> None:
    made = measured(20, same)
    assert made.ratio is None and made.as_json()["ratio"] is None
    goal = goals(made)[0]
    assert (goal.measured, goal.outcome) == (f"no ratio: {why}", "not resolved")
    text = printed(made)
    assert f"No ratio is reported: {why}." in text and "no ratio" in text and "20.0" not in text


def test_the_goal_requires_its_number_of_cameras_and_the_whole_interval() -> None:
    same = compared(500, 495)
    assert goals(measured(1.4, same))[0].outcome == "met"
    assert goals(measured(1.2, same))[0].outcome == "missed"
    assert goals(measured(1.3, same))[0].outcome == "not resolved"
    assert goals(measured(1.4, same, pairs=5))[0].outcome == "not resolved"
    eight = goals(measured(1.4, same, cameras=8))[0]
    assert eight.outcome == "not resolved" and "8 cameras" in eight.measured


def test_a_goal_is_resolved_only_on_its_device() -> None:
    on_cpu, on_cuda = measured(9, compared(500, 500)), measured(9, compared(500, 500), 16, "cuda:0")
    assert [goal.outcome for goal in goals(on_cpu)] == ["met", "not resolved"]
    assert [goal.outcome for goal in goals(on_cuda)] == ["not resolved", "met"]
    assert goals(on_cuda)[0].measured == "run again with --device cpu"


def test_without_a_cuda_device_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    made = measured(1.4, compared(500, 500))
    assert goals(made)[1].measured == "no CUDA device: not measured" == made.as_json()["cuda"]
    assert printed(made).count("no CUDA device: not measured") == 2


def test_the_peak_share_is_the_ratio_of_the_rates_of_multiply_adds() -> None:
    made = measured(9, compared(500, 500), 16, "cuda:0")
    made.floor = Floor({"whole": 5e7}, 1e10, 1e11)
    assert made.peak_share == pytest.approx(5e7 / 0.010 / 1e11)
    assert "share of the card's measured bfloat16 peak: 5.00%" in printed(made)


def test_the_report_shows_times_floor_proposals_and_rates() -> None:
    text = printed(measured(1.4, compared(500, 500)))
    assert "10.0 [10.0, 10.0]" in text and "14.0 [13.9, 14.1]" in text and "1.40 [1.39, 1.41] x" in text
    assert "boxes above 0.3 in 10 frames (40 pictures): 500, of which 500" in text
    assert "same action: 19 (95.00%)" in text
    # 51 M multiply-adds at 10 G per second take 5.1 ms; 10 ms are 2.0 times that.
    assert "5.100" in text and "2.0" in text
    assert "450 of 600 (75.00%)" in text and "2.00 [2.00, 2.00] x" in text
    assert "4 cameras x 2 = 8 frames per second" in text
    assert "is not trained" not in text


def test_an_untrained_checkpoint_is_reported() -> None:
    made = measured(1.4, compared(500, 500))
    made.model = ModelInfo("drawn", "", False)
    assert "The checkpoint is not trained" in printed(made)


def test_fewer_proposals_change_nothing_else() -> None:
    vocabulary = packaged("edge")
    network = ActionNetwork(NetworkConfig(), vocabulary, torch.zeros(10, len(vocabulary.states), 4))
    detector = StoredDetector(description(), {"weight": torch.zeros(1)}, "a test")
    checkpoint = Checkpoint(network, "kinetics-tps", False, "none", detector=detector)
    fewer = with_proposals(checkpoint, 25)
    assert (proposals_of(checkpoint), proposals_of(fewer)) == (60, 25)
    assert fewer.detector is not None
    assert fewer.detector.tensors is detector.tensors
    assert fewer.network is checkpoint.network


class Sleeper:
    """A model that takes a fixed time per frame."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.seen: list[tuple[str, int]] = []
        self.forgotten: list[str] = []

    def process(self, frames: Sequence[tuple[str, int]]) -> list[None]:
        self.clock[0] += self.seconds * len(frames)
        self.seen += frames
        return [None] * len(frames)

    def forget(self, camera: str) -> None:
        self.forgotten.append(camera)


class Frames:
    def frame(self, cameras: list[str], index: int, step: int, media_us: int) -> tuple[str, int]:
        return cameras[index], step


def test_rates_are_raised_until_frames_are_too_old_or_too_many_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("benchmarks.model.paced_frames.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("benchmarks.model.paced_frames.time.sleep", lambda s: clock.__setitem__(0, clock[0] + s + 1e-6))
    model = Sleeper(clock, 0.02)
    tried = measure_rates(model, Frames(), ["a", "b"], 4.0, 150.0, (5, 20, 40))  # type: ignore[arg-type]
    assert [paced.fps for paced in tried] == [5, 20, 40]
    assert [paced.sustained(150.0) for paced in tried] == [True, True, False]
    assert tried[0].age_ms_p99 == pytest.approx(20, abs=1)
    assert tried[2].processed == pytest.approx(4 / 0.02, abs=8) and tried[2].due == pytest.approx(2 * 4 * 40, abs=8)
    assert not tried[0].sustained(15.0)
    assert len(set(model.forgotten)) == 6
    # Each camera's frames arrived in order, without duplicates.
    for camera in model.forgotten:
        steps = [step for name, step in model.seen if name == camera]
        assert steps == sorted(set(steps)) and steps


def test_the_command_measures_a_checkpoint_and_writes_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, film = write_drawn_checkpoint(tmp_path / "drawn.safetensors"), write_film(tmp_path / "film.mp4", 40)
    file = tmp_path / "figures.json"
    arguments = ["paper", "--profile", str(checkpoint), "--video", str(film), "--cameras", "2", "--threads", "1"]
    assert main([*arguments, "--proposals", "25", "--quick", "--json", str(file)]) == 0
    text = capsys.readouterr().out
    found = json.loads(file.read_text())
    same = found["same_answers"]
    assert same["frames"] == 2 * 2 * 3 and same["boxes"] > 100 and same["share"] == 1
    assert same["same_actions"] == same["people"] > 12
    assert (
        found["ratio"] is None and "No ratio is reported" in text and str(tmp_path) not in text.split("written to")[0]
    )
    assert set(found["runs"]) == {OURS, PLAIN, f"{OURS}, 25 proposals"}
    assert all(len(runs) == 2 and min(run["ms_per_frame"] for run in runs) > 0 for runs in found["runs"].values())
    assert found["floor"]["by_stage"]["detection"] > 1e8 and found["floor"]["x_floor"] > 1
    assert found["fewer_proposals"][f"{OURS}, 25 proposals"]["kept"] <= 1
    assert found["paced"] and found["commit"] and found["model"]["trained"]


def test_a_failed_measurement_is_reported_with_an_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["paper", "--device", "cuda:0"]) == 1
    assert "no CUDA device: not measured" in capsys.readouterr().err
    assert main(["paper", "--device", "abacus"]) == 2
    assert main(["paper", "--profile", "edge"]) == 1
    assert "detects people with MoveNet" in " ".join(capsys.readouterr().err.split())


def printed(made: PaperMeasured) -> str:
    console = Console(width=220, file=io.StringIO(), record=True)
    print_paper(made, WHERE, console)
    return console.export_text()
