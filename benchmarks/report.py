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


def _finite(value: Any) -> Any:
    """Return the value with infinity and NaN, which JSON lacks, replaced by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
