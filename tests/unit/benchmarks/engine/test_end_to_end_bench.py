"""Tests of the search and the conclusions of the end-to-end benchmark, and of the times of its frames."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import machine
from benchmarks.contenders.partstream_end_to_end import FrameTimes
from benchmarks.engine.end_to_end_bench import Cell, EndToEndMeasured, EndToEndPlan, print_end_to_end, search
from benchmarks.engine.end_to_end_trial import Trial

HD = (1280, 720)
TRIAL = Trial(
    cameras=1, run=0, seconds=20.0, due=100, received=100, age_ms_p50=62.0, age_ms_p99=93.0, decoded=100, processed=100,
    dropped={}, cpu_ms_per_frame=30.0, engine_cores=0.15, model_share=0.1, cameras_cores=0.02, subscriber_cores=0.01,
    other_cpu_share=0.0, published_ms_p50=60.0, published_ms_p99=90.0, model_ms_p50=50.0, model_ms_p99=75.0,
)  # fmt: skip


def cell(*trials: Trial, scene: str = "street", cores: int = 2) -> Cell:
    """Return a 720p cell with these trials."""
    return Cell(scene, HD, cores, list(trials))


def trial(cameras: int, received: int = 100, age_ms_p99: float | None = 93.0) -> Trial:
    """Return a trial in which 100 results were due."""
    return replace(TRIAL, cameras=cameras, received=received, age_ms_p99=age_ms_p99)


def engine_for(capacity: int, used_by_one: float = 0.15, busy_with_one: float = 0.05):
    """Return trials of an engine that sustains `capacity` cameras, and uses so many cores for each."""

    def run(cameras: int, number: int) -> Trial:
        made = trial(cameras, 100 if cameras <= capacity else 60)
        return replace(made, run=number, engine_cores=used_by_one * cameras, model_share=busy_with_one * cameras)

    return run


@pytest.mark.parametrize(
    ("received", "age_ms_p99", "sustained"),
    [(100, 93.0, True), (95, 1000.0, True), (94, 93.0, False), (100, 1001.0, False), (0, None, False)],
)
def test_a_number_is_sustained_with_95_percent_of_the_results_within_a_second(
    received: int, age_ms_p99: float | None, sustained: bool
) -> None:
    assert cell(trial(1, received, age_ms_p99)).sustains(1) is sustained


@pytest.mark.parametrize(
    ("received", "sustained", "too_many"), [((100, 96, 94), 2, 3), ((94,), 0, 1), ((100, 94, 96), 1, 2), ((), 0, None)]
)
def test_cameras_are_sustained_up_to_the_first_number_with_too_few_results(
    received: tuple[int, ...], sustained: int, too_many: int | None
) -> None:
    made = cell(*(trial(cameras, count) for cameras, count in enumerate(received, start=1)))
    assert (made.sustained, made.too_many) == (sustained, too_many)


@pytest.mark.parametrize("capacity", range(65))
def test_the_search_finds_the_capacity_and_repeats_only_the_number_that_it_finds(capacity: int) -> None:
    made = cell()
    search(made, most=64, runs=3, run=engine_for(capacity))
    assert made.sustained <= capacity <= made.sustained * 1.05 + 0.5
    counts = {cameras: len(made.of(cameras)) for cameras in {one.cameras for one in made.trials}}
    assert counts.pop(made.sustained, 3) == 3
    assert set(counts.values()) <= {1}


@pytest.mark.parametrize(("used", "busy", "cameras"), [(0.15, 0.05, 13), (0.15, 0.1, 10), (0.001, 0.001, 64)])
def test_the_search_goes_on_where_one_camera_s_use_of_the_cores_and_of_the_model_says(
    used: float, busy: float, cameras: int
) -> None:
    made = cell()
    search(made, most=64, runs=1, run=engine_for(64, used, busy))
    assert [one.cameras for one in made.trials][:2] == [1, cameras]


def test_a_number_that_fails_when_it_is_repeated_is_not_the_result() -> None:
    made, outcomes = cell(), iter([100, 100, 90, 100, 90, 90, 100, 100])

    def run(cameras: int, number: int) -> Trial:
        return replace(trial(cameras, next(outcomes)), run=number, engine_cores=2.0)

    search(made, most=64, runs=3, run=run)
    assert [one.cameras for one in made.trials] == [1, 2, 4, 3, 3, 3, 2, 2]
    assert made.sustained == 2


def test_the_goals_are_for_720p_at_5_frames_a_second_on_two_cores() -> None:
    cells = [cell(trial(3), scene="street"), cell(trial(3), scene="room"), cell(trial(30), scene="still", cores=1)]
    measured = EndToEndMeasured(EndToEndPlan(), 2, cells)
    assert [(goal.text.partition(":")[0], goal.measured, goal.outcome) for goal in measured.goals()] == [
        ("street", "3", "met"),
        ("room", "3", "missed"),
    ]
    assert EndToEndMeasured(EndToEndPlan(fps=10), 2, cells).goals() == []


def test_the_time_in_the_model_is_that_of_the_frames_batch() -> None:
    times = FrameTimes()
    for began_ms, cameras in ((100, 2), (200, 1)):
        times.stage_ran("detection", began_ms * 1_000_000, (began_ms + 30) * 1_000_000)
        times.stage_ran("tracking", (began_ms + 31) * 1_000_000, (began_ms + 40 * cameras) * 1_000_000)
        for camera in range(cameras):
            times.frame_published(f"cam{camera}", 0.1, None)
    assert times.rows == [(0.1, 0.08), (0.1, 0.08), (0.1, 0.04)]
    assert times.model_s == pytest.approx(0.03 + 0.049 + 0.03 + 0.009)
    times.begin()
    assert (times.rows, times.model_s) == ([], 0.0)


def test_the_cameras_sustained_are_shown_and_written(tmp_path: Path) -> None:
    room = tmp_path / "private" / "room.mp4"
    plan = EndToEndPlan(scenes=("room", "street"), resolutions=(HD,), runs=1, room=room)
    cells = [
        cell(trial(1), trial(2, 94), cores=1),
        cell(trial(1), trial(2), trial(3), trial(4, 60), cores=2),
        cell(trial(1), trial(64), cores=2, scene="room"),
    ]
    measured = EndToEndMeasured(plan, 2, cells)
    console = Console(width=170, file=io.StringIO(), record=True)
    print_end_to_end(measured, machine.describe(), console)
    lines = [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]
    assert "street 1280x720 1 (5) 3 (15)" in lines
    assert "room 1280x720 not measured 64 or more (320)" in lines
    content = json.loads(json.dumps(measured.as_json()))
    assert [one["sustained_cameras"] for one in content["cells"]] == [1, 3, 64]
    assert content["plan"]["room"] == content["footage"]["room"] == "room.mp4", "no folder of the user"
