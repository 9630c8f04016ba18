"""What is concluded from ingest runs: sent to decoded, by native RTSP and by FFmpeg."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks import peers
from benchmarks.commands.options import TABLE_WIDTH
from benchmarks.engine.ingest_bench import JUDGED, goals, loads
from benchmarks.engine.ingest_report import print_ingest
from benchmarks.rounds import Load, Measured, Plan
from benchmarks.run_once import Figures

EIGHT = Load(8, staggered=False)
A_RUN = Figures(
    contender="",
    cameras=4,
    cpu_ms_per_frame=3.0,
    frames_sent=500,
    frames_delivered=500,
    frames_lost=0,
    duplicates=0,
    unreadable=0,
    restarts=0,
    latency_ms_p50=6.0,
    latency_ms_p99=20.0,
    open_s=0.8,
    peak_rss_mib=100.0,
    server_cpu_ms_per_frame=0.5,
    other_cpu_share=0.0,
)
FFMPEG_RUN = replace(A_RUN, contender=peers.FFMPEG, latency_ms_p50=47.0, latency_ms_p99=63.0)
P50 = "partstream native: sent to decoded, p50 at most 10 ms, 4 cameras at once"
P99 = "partstream native: sent to decoded, p99 at most 30 ms, 4 cameras at once"
LOST = "partstream native: no frame lost, 4 cameras at once"
OPEN = "partstream native: every camera's first picture within 2.5 s, 8 cameras at once"
ENGINE = "whole engine, native: CPU per frame at most 1.08 x bare loop, 4 cameras at once"
MACHINE = {
    "processor": "a processor",
    "cores": 2,
    "memory_gib": 8,
    "system": "Linux",
    "python": "3.11",
    "packages": {"av": "18.1"},
    "load_average_1min": 0.1,
}


def measured(native: list[Figures | None], engine_cpu: float = 3.1, load: Load = JUDGED) -> Measured:
    plan = Plan((load,), peers.INGEST, len(native))
    runs: dict[tuple[str, Load], list[Figures | None]] = {
        (name, load): [replace(A_RUN, contender=name)] * len(native) for name in peers.INGEST
    }
    runs[peers.NATIVE, load] = native
    runs[peers.FFMPEG, load] = [FFMPEG_RUN] * len(native)
    runs[peers.ENGINE_NATIVE, load] = [replace(A_RUN, cpu_ms_per_frame=engine_cpu)] * len(native)
    return Measured(plan, runs)


def outcomes(of: Measured) -> dict[str, str]:
    return {goal.text: goal.outcome for goal in goals(of)}


def test_several_cameras_are_measured_at_once_and_staggered_and_one_camera_only_once() -> None:
    assert loads([1, 4]) == (Load(1), Load(4, staggered=False), Load(4, staggered=True))


def test_a_partstream_contender_uses_its_own_or_the_given_transport() -> None:
    assert peers.contender(peers.OURS, "ffmpeg").options["transport"] == "ffmpeg"
    assert peers.contender(peers.FFMPEG, "auto").options["transport"] == "ffmpeg"
    assert peers.contender(peers.ENGINE_NATIVE, "auto").options["transport"] == "native"


def test_the_command_measures_the_load_of_the_goals() -> None:
    assert JUDGED in loads([1, 4, 8])


def test_latency_within_its_limits_is_met_and_above_them_missed() -> None:
    assert outcomes(measured([A_RUN] * 9)) == {P50: "met", P99: "met", LOST: "met", ENGINE: "met"}
    late = outcomes(measured([replace(A_RUN, latency_ms_p50=11.0, latency_ms_p99=31.0)] * 9))
    assert (late[P50], late[P99]) == ("missed", "missed")


def test_latency_with_an_interval_on_both_sides_of_the_limit_is_not_resolved() -> None:
    runs: list[Figures | None] = [replace(A_RUN, latency_ms_p99=p99) for p99 in (20, 20, 21, 22, 23, 24, 25, 31, 32)]
    assert outcomes(measured(runs))[P99] == "not resolved"


def test_too_few_runs_resolve_no_latency_goal() -> None:
    assert outcomes(measured([A_RUN] * 5))[P50] == "not resolved"


def test_what_ffmpeg_shows_in_the_same_rounds_stands_beside() -> None:
    said = {goal.text: goal.measured for goal in goals(measured([A_RUN] * 9))}
    assert said[P50] == "6.00 [6.00, 6.00]; partstream FFmpeg 47.0 [47.0, 47.0]"


@pytest.mark.parametrize("failed", [1, 2])
def test_a_failed_run_counts_as_late_and_as_a_loss(failed: int) -> None:
    found = outcomes(measured([*[None] * failed, *[A_RUN] * (9 - failed)]))
    assert found[LOST] == "missed"
    assert found[P50] == ("met" if failed == 1 else "not resolved")


def test_eight_cameras_must_be_open_within_two_and_a_half_seconds() -> None:
    assert outcomes(measured([replace(A_RUN, open_s=2.4)] * 9, load=EIGHT))[OPEN] == "met"
    assert outcomes(measured([replace(A_RUN, open_s=2.6)] * 9, load=EIGHT))[OPEN] == "missed"


def test_the_whole_engine_is_compared_with_the_bare_loop_of_the_same_round() -> None:
    assert outcomes(measured([A_RUN] * 9, engine_cpu=3.3))[ENGINE] == "missed"


def test_goals_without_measurements_are_not_resolved() -> None:
    without = measured([A_RUN] * 9)
    for name in (peers.NATIVE, peers.ENGINE_NATIVE):
        del without.runs[name, JUDGED]
    found = goals(without)
    assert {goal.outcome for goal in found} == {"not resolved"}
    assert all(goal.measured.startswith("not measured") for goal in found)


def test_every_contender_has_a_row_and_failed_runs_are_counted() -> None:
    of = measured([None, *[A_RUN] * 8])
    page = io.StringIO()
    print_ingest(of, MACHINE, Console(file=page, width=TABLE_WIDTH))
    table = [re.split(r"\s{2,}", line.strip()) for line in page.getvalue().splitlines()]
    rows = {cells[2]: cells for cells in table if cells[0] == "4"}
    assert set(rows) == set(peers.INGEST)
    assert rows[peers.FFMPEG][:4] == ["4", "at once", peers.FFMPEG, "47.0 [47.0, 47.0]"]
    assert "1 runs failed" in " ".join(page.getvalue().split())
