"""The placement of a fleet with simulated engines, through a start, rolling failures, and the joining of engines."""

from __future__ import annotations

import json as json_format
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.commands.options import RESULTS, JsonOption, consoles, with_header
from benchmarks.report import print_machine, write_json
from benchmarks.run_once import REPOSITORY, RunFailedError
from fleet.simulation.simulation import Load

LIMIT_S = 3600.0
LEVELLING_MINUTES = 10.0
"""Virtual time after engines joined."""
PLACED_S, CORES, MEMORY_MIB, MOVES = 60.0, 1.0, 2048.0, 1.2
"""Goals: until all cameras are live, cores of the placement, memory with the simulated engines, and moves for each
camera of a failed node."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """A load and its outcome."""

    load: Load
    outcome: dict[str, Any]

    def figures(self) -> dict[str, float]:
        """Return the figures that goals are set for, and the time without a camera of a failed node."""
        outcome = self.outcome
        away = sorted(outcome["away_virtual_s"]) or [0.0]
        return {
            "all_live_virtual_s": outcome["all_live_virtual_s"],
            "placing_cpu_s": outcome["placing_cpu_s"],
            "longest_step_ms": outcome["longest_step_s"] * 1000,
            "failing_cores": outcome["failing_cpu_s"] / outcome["failing_virtual_s"],
            "peak_rss_mib": outcome["peak_rss_mib"],
            "moves_per_failed_camera": outcome["moves"] / max(outcome["failed_cameras"], 1),
            "levelling_moves": outcome["levelled"],
            "moves_after_joining": outcome["joined_moves"],
            "level_after_s": outcome["level_virtual_s"],
            "least_share": outcome["least_share"],
            "away_median_s": median(away),
            "away_longest_s": away[-1],
        }

    def goals(self) -> dict[str, bool]:
        """Return whether each goal is met. They are set for 100,000 cameras on 2,000 engines."""
        figures = self.figures()
        return {
            "placed": max(figures["all_live_virtual_s"], figures["placing_cpu_s"]) <= PLACED_S,
            "cores": figures["failing_cores"] <= CORES,
            "memory": figures["peak_rss_mib"] <= MEMORY_MIB,
            "moves": figures["moves_per_failed_camera"] <= MOVES,
            "unplaced": self.outcome["unplaced"] == 0,
        }

    def as_json(self) -> dict[str, Any]:
        """Return the file's content, with the figures instead of every camera's time."""
        outcome = {name: value for name, value in self.outcome.items() if name != "away_virtual_s"}
        return {"load": asdict(self.load), "outcome": outcome, "figures": self.figures(), "goals": self.goals()}


def fleet_simulation(
    cameras: Annotated[list[int] | None, typer.Option(help="Cameras.", show_default="1000 100000")] = None,
    engines: Annotated[
        list[int] | None, typer.Option(help="Engines, one number for each of --cameras.", show_default="50 2000")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Virtual minutes of failures.")] = 5.0,
    failing: Annotated[float, typer.Option(min=0, max=1, help="Part of the nodes that fail in a minute.")] = 0.05,
    joining: Annotated[
        list[int] | None, typer.Option(help="Engines that join after the failures, likewise.", show_default="none")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Cost of placing a fleet's cameras, and moves after failures, with simulated engines on a virtual clock."""
    console, progress = consoles()
    counts, sizes = cameras or [1000, 100_000], engines or [50, 2000]
    further = joining or [0 for _ in sizes]
    if not len(counts) == len(sizes) == len(further):
        raise typer.BadParameter("--cameras, --engines and --joining need the same number of values")
    host, file = machine.describe(), json or RESULTS / "fleet_simulation.json"
    cases: list[Simulated] = []
    for count, size, more in zip(counts, sizes, further, strict=True):
        progress.print(f"{count} cameras on {size} engines")
        cases.append(simulate(Load(count, size, failing, minutes, more, LEVELLING_MINUTES if more else 0.0)))
        write_json(file, with_header("fleet-simulation", host, {"cases": [case.as_json() for case in cases]}))
    print_cases(cases, console)
    print_machine(host, console)
    console.print(f"written to {file}")


def simulate(load: Load) -> Simulated:
    """Simulate a load in a process of its own. Raises `RunFailedError`."""
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.fleet.simulation_trial", json_format.dumps(asdict(load))],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise RunFailedError(f"{load.cameras} cameras: timed out after {LIMIT_S:.0f} s") from None
    if ended.returncode != 0:
        raise RunFailedError(f"{load.cameras} cameras: exit code {ended.returncode}\n{ended.stderr[-2000:]}")
    return Simulated(load, json_format.loads(ended.stdout))


def print_cases(cases: list[Simulated], console: Console) -> None:
    """Print a table with a column for each load."""
    table = Table("figure", *(f"{case.load.cameras} on {case.load.engines}" for case in cases))
    rows = {
        "all live after, virtual s": "all_live_virtual_s",
        "CPU of the placement until then, s": "placing_cpu_s",
        "CPU of the longest step, ms": "longest_step_ms",
        "CPU of the placement during failures, cores": "failing_cores",
        "peak memory with the simulated engines, MiB": "peak_rss_mib",
        "moves for each camera of a failed node": "moves_per_failed_camera",
        "moves during failures that levelled the load": "levelling_moves",
        "moves after further engines joined": "moves_after_joining",
        "the last of these after, virtual s": "level_after_s",
        "load of the engine with least at the end, part of the mean": "least_share",
        "not live after a failure, median, virtual s": "away_median_s",
        "not live after a failure, longest, virtual s": "away_longest_s",
    }
    figures = [case.figures() for case in cases]
    for label, name in rows.items():
        table.add_row(label, *(f"{one[name]:.3g}" for one in figures))
    table.add_row("failed nodes; their cameras", *(f"{_failed(case)}" for case in cases))
    table.add_row("goals missed", *(", ".join(name for name, met in case.goals().items() if not met) for case in cases))
    console.print(table)


def _failed(case: Simulated) -> str:
    return f"{case.outcome['failed_nodes']}; {case.outcome['failed_cameras']}"
