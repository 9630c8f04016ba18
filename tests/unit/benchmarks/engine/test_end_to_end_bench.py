"""Tests of the conclusions of the end-to-end benchmark, and of the times of its frames."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks import machine
from benchmarks.contenders.partstream_end_to_end import FrameTimes
from benchmarks.engine.end_to_end_bench import EndToEndFigures, EndToEndMeasured, EndToEndPlan
from benchmarks.report import print_end_to_end

RUN = EndToEndFigures(
    cameras=1,
    run=0,
    seconds=10.0,
    decoded=100,
    processed=100,
    dropped={},
    people=170,
    cpu_ms_per_frame=30.0,
    age_ms_p50=60.0,
    age_ms_p99=90.0,
    model_ms_p50=50.0,
    model_ms_p99=75.0,
    engine_ms_p50=10.0,
    engine_ms_p99=20.0,
)


def measured(*processed: int) -> EndToEndMeasured:
    """Return a run for each number of cameras, with `processed` of 100 frames each."""
    runs = [replace(RUN, cameras=number, processed=count) for number, count in enumerate(processed, start=1)]
    return EndToEndMeasured(EndToEndPlan(runs=1), runs)


@pytest.mark.parametrize(("processed", "sustained"), [((100, 96, 94), 2), ((94,), 0), ((100, 94, 96), 1), ((), 0)])
def test_cameras_are_sustained_up_to_the_first_number_that_processes_too_few_frames(
    processed: tuple[int, ...], sustained: int
) -> None:
    assert measured(*processed).sustained == sustained


def test_the_highest_rate_counts_even_if_it_is_not_sustained() -> None:
    assert measured(50, 94).most_frames_per_second == pytest.approx(9.4)


def test_the_time_in_the_model_is_that_of_the_frames_batch() -> None:
    times = FrameTimes()
    for began_ms, cameras in ((100, 2), (200, 1)):
        times.stage_ran("detection", began_ms * 1_000_000, (began_ms + 30) * 1_000_000)
        times.stage_ran("tracking", (began_ms + 31) * 1_000_000, (began_ms + 40 * cameras) * 1_000_000)
        for camera in range(cameras):
            times.frame_published(f"cam{camera}", 0.1, None)
    assert times.rows == [(0.1, 0.08), (0.1, 0.08), (0.1, 0.04)]
    times.begin()
    assert times.rows == []


def test_the_report_shows_the_age_and_its_parts_and_what_is_sustained() -> None:
    console = Console(width=170, file=io.StringIO(), record=True)
    print_end_to_end(measured(100, 94), machine.describe(), console)
    text = console.export_text()
    assert "60.0 / 90.0" in text and "50.0 / 75.0" in text and "10.0 / 20.0" in text
    assert "sustained: 1 camera at 5 frames per second" in text
