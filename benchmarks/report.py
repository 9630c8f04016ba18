"""Output of results: tables and JSON files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import peers, stats
from benchmarks.engine.engine_bench import goals
from benchmarks.model.model_bench import ModelMeasured, StageFigures
from benchmarks.rounds import Goal, Load, Measured
from benchmarks.run_once import Figures

NOISY = 0.10
"""CPU share of other programs above which a warning is printed."""
COLOURS = {"met": "green", "missed": "red", "not resolved": "yellow"}


def print_engine(measured: Measured, machine: dict[str, Any], console: Console) -> None:
    """Print the results of the engine benchmark."""
    for load in measured.plan.loads:
        console.print(_engine_table(measured, load))
    print_rest(measured, goals(measured), machine, console)


def print_rest(measured: Measured, found: list[Goal], machine: dict[str, Any], console: Console) -> None:
    """Print failures, goals, the machine, and a warning if it was busy."""
    for name, why in measured.unavailable.items():
        console.print(f"[yellow]{name}: not measured: {why}[/]")
    for failure in measured.failures:
        console.print(f"[red]failed: {failure}[/]")
    print_goals(found, console)
    print_machine(machine, console)
    shares = [run.other_cpu_share for runs in measured.runs.values() for run in runs if run is not None]
    if shares and stats.median(shares) > NOISY:
        console.print(
            f"[yellow]Other programs used {stats.median(shares):.0%} of the machine (median run). "
            "Measure again when the machine is idle.[/]"
        )


def _engine_table(measured: Measured, load: Load) -> Table:
    plan = measured.plan
    table = Table(
        title=f"{load}, 720p25 H.264 over RTSP/TCP; "
        f"median of {plan.runs} alternating runs of {plan.seconds:g} s [95 % interval]"
    )
    table.add_column("", no_wrap=True)
    headings = ("CPU ms\nper frame", "x bare loop", "partstream\n/ this", "frames\nlost", "latency ms\np50", "\np99")
    for heading in (*headings, "ready to handed over,\nms p50 / p99", "at a subscriber,\nms p50 / p99", "RSS MiB"):
        table.add_column(heading, justify="right")
    for name in plan.contenders:
        runs = measured.of(name, load)
        if not runs:
            continue
        floor = peers.FLOORS.get(name, peers.BARE)
        lost, sent = sum(run.frames_lost for run in runs), sum(run.frames_sent for run in runs)
        own = [run.own_latency_ms_p99 for run in runs if run.own_latency_ms_p99 is not None]
        own_p50 = [run.own_latency_ms_p50 for run in runs if run.own_latency_ms_p50 is not None]
        table.add_row(
            name,
            str(stats.estimate([run.cpu_ms_per_frame for run in runs])),
            cpu_ratio(measured, (name, load), (floor, load)),
            cpu_ratio(measured, (peers.OURS, load), (name, load)) if name in peers.PEERS else "",
            f"{lost} of {sent}",
            str(stats.estimate([run.latency_ms_p50 for run in runs])),
            str(stats.estimate([run.latency_ms_p99 for run in runs])),
            f"{stats.median(own_p50):.2f} / {stats.estimate(own)}" if own else "",
            _at_subscriber(runs),
            f"{stats.median([run.peak_rss_mib for run in runs]):.0f}",
        )
    return table


def _at_subscriber(runs: list[Figures]) -> str:
    seen = [run.subscriber for run in runs if run.subscriber is not None]
    if not seen:
        return ""
    missed = sum(one.missed for one in seen)
    p50, p99 = (stats.median(values) for values in ([s.latency_ms_p50 for s in seen], [s.latency_ms_p99 for s in seen]))
    return f"{p50:.1f} / {p99:.1f}" + (f", missed {missed}" if missed else "")


def cpu_ratio(measured: Measured, ours: tuple[str, Load], theirs: tuple[str, Load]) -> str:
    """Return the ratio of the CPU per frame, ours to theirs, over pairs of runs; empty without pairs."""
    values = measured.paired(ours, theirs, "cpu_ms_per_frame") if ours != theirs else []
    return str(stats.estimate(values)) if values else ""


def print_goals(found: list[Goal], console: Console) -> None:
    """Print all goals with their measurements."""
    table = Table(title="Goals: met only if the whole interval is within the goal")
    for heading in ("goal", "measured", "outcome"):
        table.add_column(heading)
    for goal in found:
        table.add_row(goal.text, goal.measured, f"[{COLOURS[goal.outcome]}]{goal.outcome}[/]")
    console.print(table)


def print_machine(machine: dict[str, Any], console: Console) -> None:
    """Print a line about the machine."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items() if number)
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}; {packages}; load {machine['load_average_1min']}"
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the figures atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(path.suffix + ".unfinished")
    unfinished.write_text(json.dumps(_finite(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    unfinished.replace(path)


def print_model(measured: ModelMeasured, machine: dict[str, Any], console: Console) -> None:
    """Print the results of the model benchmark, a table per number of threads."""
    width, height = measured.size
    for threads in measured.plan.threads:
        rows = [batch for batch in measured.batches if batch.threads == threads]
        if not rows:
            continue
        rate = stats.median([row.gemm_multiply_adds_per_s for row in rows]) / 1e9
        table = Table(
            title=f"{measured.plan.profile}, {width}x{height}, threads: {threads}. ms per frame (ms per person); "
            f"floor at the measured {rate:.0f} G multiply-adds per second"
        )
        table.add_column("stage")
        for row in rows:
            table.add_column(f"batch {row.batch}\n{row.people_per_frame:.1f} people per frame", justify="right")
        for heading in ("M multiply-adds\nper frame", "floor ms\nper frame", "x floor"):
            table.add_column(heading, justify="right")
        last = rows[-1]
        for stage in last.stages:
            same = [[found for found in row.stages if found.stage == stage.stage] for row in rows]
            cells = [_stage_cell(found[0]) if found else "" for found in same]
            floor = stage.floor_ms_per_frame
            table.add_row(
                stage.stage,
                *cells,
                f"{stage.multiply_adds_per_frame / 1e6:.1f}",
                f"{floor:.3f}",
                f"{stage.ms_per_frame / floor:.1f}" if floor else "",
            )
        floor = sum(stage.floor_ms_per_frame for stage in last.stages)
        macs = sum(stage.multiply_adds_per_frame for stage in last.stages) / 1e6
        table.add_section()
        table.add_row(
            "total", *(str(row.ms_per_frame) for row in rows), f"{macs:.1f}", f"{floor:.3f}",
            f"{last.ms_per_frame.median / floor:.1f}" if floor else "",
        )  # fmt: skip
        console.print(table)
    print_machine(machine, console)


def _stage_cell(stage: StageFigures) -> str:
    person = "" if stage.ms_per_person is None else f" ({stage.ms_per_person:.3f})"
    return f"{stage.ms_per_frame:.3f}{person}"


def _finite(value: Any) -> Any:
    """Return the value with infinity and NaN, which JSON lacks, replaced by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
