"""Tests of what is concluded from runs on RTSP cameras."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import machine, peers
from benchmarks.engine.camera_bench import (
    INGEST_LOAD,
    engine_goals,
    ingest_goals,
    ingest_loads,
    print_cameras,
)  # fmt: skip
from benchmarks.rounds import Load, Measured, Plan, order
from benchmarks.run_once import Figures

FOUR = Load(4)
A_RUN = Figures(
    contender="", cameras=4, cpu_ms_per_frame=3.0, frames_sent=800, frames_delivered=800, frames_lost=0, duplicates=0,
    unreadable=0, restarts=0, latency_ms_p50=6.0, latency_ms_p99=20.0, open_s=0.5, peak_rss_mib=100.0,
    other_cpu_share=0.0, own_latency_ms_p99=1.0,
)  # fmt: skip
OTHER = f"{peers.OURS}{peers.OTHER}"


def measured(*runs: tuple[str, list[Figures | None]], load: Load = FOUR) -> Measured:
    plan = Plan((load,), tuple(name for name, _ in runs), len(runs[0][1]))
    return Measured(plan, {(name, load): of for name, of in runs})


def engine(cpu: float, lost: int = 0, runs: int = 9) -> Measured:
    ours = replace(A_RUN, cpu_ms_per_frame=cpu)
    opencv = replace(A_RUN, cpu_ms_per_frame=3.4, latency_ms_p50=80.0)
    return measured(
        (peers.OURS, [replace(ours, frames_lost=lost), *[ours] * (runs - 1)]),
        (peers.BARE, [A_RUN] * runs),
        (peers.OPENCV, [opencv] * runs),
        (OTHER, [A_RUN] * runs),
    )


def ingest(native: list[Figures | None], engine_cpu: float = 3.1, load: Load = INGEST_LOAD) -> Measured:
    engine_run = replace(A_RUN, cpu_ms_per_frame=engine_cpu)
    rest = ((peers.BARE, A_RUN), (peers.ENGINE_NATIVE, engine_run))
    return measured((peers.NATIVE, native), *((name, [run] * len(native)) for name, run in rest), load=load)


def engine_outcome(of: Measured, begins: str) -> str:
    (outcome,) = [goal.outcome for goal in engine_goals(of) if goal.text.startswith(begins)]
    return outcome


def ingest_outcomes(of: Measured) -> list[str]:
    return [goal.outcome for goal in ingest_goals(of)]


@pytest.mark.parametrize(("cpu", "runs", "outcome"), [(3.2, 9, "met"), (3.4, 9, "missed"), (3.2, 3, "not resolved")])
def test_the_engine_takes_at_most_a_tenth_more_than_the_bare_loop(cpu: float, runs: int, outcome: str) -> None:
    assert engine_outcome(engine(cpu, runs=runs), "partstream: CPU per frame at most 1.10 x bare loop") == outcome


@pytest.mark.parametrize(("cpu", "outcome"), [(3.1, "met"), (3.2, "missed")])
def test_the_engine_takes_at_most_a_twentieth_more_than_another_checkout(cpu: float, outcome: str) -> None:
    assert engine_outcome(engine(cpu), "partstream: CPU per frame at most 1.05 x partstream, other") == outcome


def test_a_contender_of_another_checkout_runs_its_code(tmp_path: Path) -> None:
    made = peers.contender(OTHER, "native", tmp_path)
    assert (made.name, made.checkout, made.options["transport"]) == (OTHER, tmp_path, "native")


def test_a_lost_frame_misses_the_goals_of_no_loss() -> None:
    assert engine_outcome(engine(3.2, lost=1), "partstream: no frame lost") == "missed"
    assert engine_outcome(engine(3.2, lost=1), f"no more frames lost than {peers.OPENCV}") == "missed"


def test_each_figure_is_compared_with_a_peer_separately() -> None:
    assert engine_outcome(engine(3.5), f"ahead of {peers.OPENCV} in CPU per frame") == "missed"
    assert engine_outcome(engine(3.5), f"ahead of {peers.OPENCV} in latency p50") == "met"


def test_rounds_with_a_failed_run_give_no_pair() -> None:
    of = engine(3.2)
    of.runs[peers.BARE, FOUR][3] = None
    assert len(of.paired((peers.OURS, FOUR), (peers.BARE, FOUR), "cpu_ms_per_frame")) == 8


def test_several_cameras_are_measured_at_once_and_staggered_and_one_camera_only_once() -> None:
    assert ingest_loads([1, 4]) == (Load(1), Load(4, staggered=False), Load(4, staggered=True))


def test_ingest_has_goals_of_latency_loss_and_cpu() -> None:
    assert ingest_outcomes(ingest([A_RUN] * 9)) == ["met"] * 4
    late = replace(A_RUN, latency_ms_p50=11.0, latency_ms_p99=31.0)
    assert ingest_outcomes(ingest([late] * 9, engine_cpu=3.3)) == ["missed", "missed", "met", "missed"]


@pytest.mark.parametrize(("failed", "latency"), [(1, "met"), (2, "not resolved")])
def test_a_failed_run_counts_as_late_and_as_a_loss(failed: int, latency: str) -> None:
    outcomes = ingest_outcomes(ingest([*[None] * failed, *[A_RUN] * (9 - failed)]))
    assert (outcomes[0], outcomes[2]) == (latency, "missed")


def test_eight_cameras_must_be_open_within_two_and_a_half_seconds() -> None:
    eight = Load(8, staggered=False)
    for seconds, outcome in ((2.4, "met"), (2.6, "missed")):
        assert ingest_outcomes(ingest([replace(A_RUN, open_s=seconds)] * 9, load=eight))[1] == outcome


def test_every_contender_has_a_row_and_failed_runs_are_counted() -> None:
    of = ingest([None, *[A_RUN] * 8])
    page = io.StringIO()
    print_cameras(of, ingest_goals(of), machine.describe(), Console(file=page, width=180))
    assert {re.split(r"\s{2,}", line.strip())[0] for line in page.getvalue().splitlines()} >= set(of.plan.contenders)
    assert "1 runs failed" in " ".join(page.getvalue().split())


def test_every_other_round_runs_in_reverse_order() -> None:
    assert order(["a", "b", "c"], 0) == ["a", "b", "c"]
    assert order(["a", "b", "c"], 1) == ["c", "b", "a"]
