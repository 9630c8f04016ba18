"""Prints what was measured: a table for each number of cameras, the goals, the machine. Owns nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import peers, stats
from benchmarks.engine_bench import Goal, Measured, goals

NOISY = 0.10
"""Others' share of the machine above which figures are marked as taken on a busy machine."""
COLOURS = {"met": "green", "missed": "red", "not resolved": "yellow"}


def print_engine(measured: Measured, machine: dict[str, Any], console: Console) -> None:
    """The engine benchmark's tables."""
    for cameras in measured.plan.cameras:
        console.print(_engine_table(measured, cameras))
    for name, why in measured.unavailable.items():
        console.print(f"[yellow]{name}: not measured: {why}[/]")
    for failure in measured.failures:
        console.print(f"[red]failed: {failure}[/]")
    print_goals(goals(measured), console)
    print_machine(machine, console)
    shares = [run.other_cpu_share for runs in measured.runs.values() for run in runs if run is not None]
    if shares and stats.median(shares) > NOISY:
        console.print(
            f"[yellow]The machine was busy: others used {stats.median(shares):.0%} of it (median run). "
            "Measure again when it is quiet.[/]"
        )


def _engine_table(measured: Measured, cameras: int) -> Table:
    plan = measured.plan
    table = Table(
        title=f"{cameras} camera{'s' if cameras > 1 else ''}, 720p25 H.264 over RTSP/TCP; "
        f"median of {plan.runs} alternating runs of {plan.seconds:g} s [95 % interval]"
    )
    table.add_column("", no_wrap=True)
    headings = ("CPU ms a frame", "x bare loop", "partstream to it", "frames lost", "latency p50 ms", "p99 ms")
    for heading in (*headings, "own p50 / p99 ms", "RSS MiB"):
        table.add_column(heading, justify="right")
    for name in plan.contenders:
        runs = [run for run in measured.runs.get((name, cameras), []) if run is not None]
        if not runs:
            continue
        floor = peers.FLOORS.get(name, peers.BARE)
        lost, sent = sum(run.frames_lost for run in runs), sum(run.frames_sent for run in runs)
        own = [run.own_latency_ms_p99 for run in runs if run.own_latency_ms_p99 is not None]
        own_p50 = [run.own_latency_ms_p50 for run in runs if run.own_latency_ms_p50 is not None]
        table.add_row(
            name,
            str(stats.estimate([run.cpu_ms_per_frame for run in runs])),
            _ratio(measured, (name, cameras), (floor, cameras)),
            _ratio(measured, (peers.OURS, cameras), (name, cameras)) if name in peers.PEERS else "",
            f"{lost} of {sent}",
            str(stats.estimate([run.latency_ms_p50 for run in runs])),
            str(stats.estimate([run.latency_ms_p99 for run in runs])),
            f"{stats.median(own_p50):.2f} / {stats.estimate(own)}" if own else "",
            f"{stats.median([run.peak_rss_mib for run in runs]):.0f}",
        )
    return table


def _ratio(measured: Measured, ours: tuple[str, int], theirs: tuple[str, int]) -> str:
    values = measured.paired(ours, theirs, "cpu_ms_per_frame") if ours != theirs else []
    return str(stats.estimate(values)) if values else ""


def print_goals(found: list[Goal], console: Console) -> None:
    """Every goal with what was measured."""
    table = Table(title="Goals: met only if the whole interval lies within")
    for heading in ("goal", "measured", "outcome"):
        table.add_column(heading)
    for goal in found:
        table.add_row(goal.text, goal.measured, f"[{COLOURS[goal.outcome]}]{goal.outcome}[/]")
    console.print(table)


def print_machine(machine: dict[str, Any], console: Console) -> None:
    """One line on what it was measured on."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items() if number)
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}; {packages}; load {machine['load_average_1min']}"
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the figures whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(path.suffix + ".unfinished")
    unfinished.write_text(json.dumps(content, indent=1, allow_nan=False, default=str) + "\n", encoding="utf-8")
    unfinished.replace(path)
