"""Faults in a fleet on one machine: how long cameras are away, what is lost, and what is stale."""

from __future__ import annotations

import asyncio
import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import machine, stats
from benchmarks.commands.options import RESULTS, JsonOption, consoles, with_header
from benchmarks.fleet.engine_cpu import CpuRun, cpu_goals, measured_cpu
from benchmarks.fleet.faults import FAULTS, Fault
from benchmarks.fleet.figures import FaultRun, figures
from benchmarks.fleet.local_fleet import AFTER_S, INTERVAL_S, TTL_S, Plan, local_fleet, sources
from benchmarks.report import print_goals, print_machine, write_json
from benchmarks.rounds import Goal
from benchmarks.run_once import RunFailedError

CPU = "cpu"
SOURCES = ("pattern", "rtsp")
LEAST_RUNS = 9
LIVE_S: Mapping[str, Mapping[str, float]] = {
    "engine-killed": {"pattern": 1.0, "rtsp": 3.0},
    "node-killed": {"pattern": 3.0, "rtsp": 5.0},
    "engine-paused-strict": {"pattern": TTL_S + 1, "rtsp": TTL_S + 1},
    "partitioned-strict": {"pattern": TTL_S + 1, "rtsp": TTL_S + 1},
}
"""Goals: seconds until touched cameras are live elsewhere."""
CONTROL_S = {"coordinator-killed": 3.0, "gcs-away": 30.0}
"""Goals: seconds until the fleet can be changed again."""
STAY = ("raylet-killed", "gcs-away", "coordinator-killed", "head-lost")
"""Faults in which no untouched camera may move."""
SILENT_INTERVALS, MOVING_INTERVALS = 3, 2
"""Goals: frame intervals without a result, of untouched cameras, and of those that are moved on purpose."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run with its figures, and how busy the machine was, all programs together."""

    figures: FaultRun
    busy_share: float
    load_average: float


def fleet(
    fault: Annotated[
        list[str] | None, typer.Option(help=f"Only these: {', '.join((*FAULTS, CPU))}.", show_default="all")
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes; most faults need 2, head-lost and join 3.")] = 3,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras.")] = 12,
    source: Annotated[str, typer.Option(help=f"Of the cameras: {' or '.join(SOURCES)}.")] = "pattern",
    runs: Annotated[int, typer.Option(min=1, help="Runs, each with a new fleet; 9 or more for conclusions.")] = 9,
    away: Annotated[float, typer.Option(min=1, help="Seconds for which the GCS is away.")] = 120.0,
    paused: Annotated[float, typer.Option(min=1, help="Seconds for which an engine is paused or cut off.")] = 6.0,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds of each measurement of `cpu`.")] = 20.0,
    json: JsonOption = None,
) -> None:
    """Faults in a fleet on this machine, with Ray: time until cameras are live, silence, lost and stale results."""
    console, progress = consoles()
    names = list(dict.fromkeys(fault or (*FAULTS, CPU)))
    if unknown := [name for name in names if name not in (*FAULTS, CPU)]:
        raise typer.BadParameter(f"no such fault: {unknown[0]}; there are {', '.join((*FAULTS, CPU))}")
    if source not in SOURCES:
        raise typer.BadParameter(f"--source is {' or '.join(SOURCES)}")
    if nodes < 2 and names != [CPU]:
        raise typer.BadParameter("faults need at least 2 nodes")
    if find_spec("ray") is None:
        raise RunFailedError('a fleet needs Ray: pip install "partstream[fleet]"')
    plan = Plan(nodes, cameras, source, runs, away, paused)
    host = machine.describe()
    file = json or RESULTS / f"fleet{f'-{names[0]}' if len(names) == 1 else ''}-{source}.json"
    content: dict[str, Any] = {"plan": asdict(plan), "faults": {}}
    for name in names:

        def save(part: dict[str, Any], name: str = name) -> None:
            content["faults"][name] = part
            write_json(file, with_header("fleet", host, content))

        if name == CPU:
            _cpu(plan, seconds, console, progress, save)
        else:
            _fault(FAULTS[name], plan, console, progress, save)
    print_machine(host, console)
    console.print(f"written to {file}")


def _fault(
    fault: Fault, plan: Plan, console: Console, progress: Console, save: Callable[[dict[str, Any]], None]
) -> None:
    measured: list[Run] = []
    failures: list[str] = []
    found: list[Goal] = []
    for number in range(plan.runs):
        try:
            measured.append(asyncio.run(run(fault, plan)))
            shown = {name: value for name, value in asdict(measured[-1].figures).items() if name != "silences_s"}
            progress.print(f"{fault.name}, run {number + 1} of {plan.runs}: {shown}")
        except RunFailedError as error:
            failures.append(str(error))
            progress.print(f"{fault.name}, run {number + 1} of {plan.runs} failed: {error}", markup=False)
        found = goals(fault.name, plan.source, [one.figures for one in measured])
        save({"runs": [asdict(one) for one in measured], "failures": failures, "goals": [asdict(one) for one in found]})
    if not measured:
        raise RunFailedError(f"{fault.name}: no run succeeded")
    console.print(_table(fault, measured))
    print_goals(found, console)


def _cpu(
    plan: Plan, seconds: float, console: Console, progress: Console, save: Callable[[dict[str, Any]], None]
) -> None:
    measured: list[CpuRun] = []
    for number in range(plan.runs):
        measured.append(measured_cpu(plan, seconds))
        progress.print(f"cpu, run {number + 1} of {plan.runs}: {measured[-1]}")
        found = cpu_goals(measured, plan.cameras)
        save({"runs": [asdict(one) for one in measured], "goals": [asdict(one) for one in found]})
    print_goals(cpu_goals(measured, plan.cameras), console)


async def run(fault: Fault, plan: Plan) -> Run:
    """Start a fleet, let the fault happen, and return the figures. Raises `RunFailedError`."""
    with (
        tempfile.TemporaryDirectory(prefix="partstream-bench-", ignore_cleanup_errors=True) as folder,
        sources(plan.source, plan.cameras) as urls,
    ):
        async with local_fleet(Path(folder), plan, urls, fence=fault.fence, late=fault.late) as started:
            busy_s, all_s = machine.busy_seconds()
            injected = await fault.happens(started)
            await asyncio.sleep(AFTER_S)
            received = started.received()
            later_s, later_all_s = machine.busy_seconds()
        share = (later_s - busy_s) / (later_all_s - all_s)
        return Run(figures(injected, received), share, os.getloadavg()[0])


@dataclass(frozen=True, slots=True)
class Bar:
    """What a run has to show: a number of seconds, or of things, of at most `limit`."""

    text: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether the run shows it."""
        return self.value <= self.limit


def bars(fault: str, source: str, run: FaultRun) -> list[Bar]:
    """Return the bars of a fault with the figures of a run."""
    found = [
        Bar("no results lost of untouched cameras", run.untouched_gaps, 0),
        Bar("no frames dropped of untouched cameras", run.untouched_drops, 0),
        Bar("no cameras lost", run.cameras_lost, 0),
        Bar("no stale results handed out", run.stale_handed, 0),
        Bar(
            f"silence of untouched cameras within {SILENT_INTERVALS} frame intervals",
            run.untouched_silence_s,
            SILENT_INTERVALS * INTERVAL_S,
        ),
    ]
    if fault in STAY:
        found.append(Bar("no untouched cameras moved", run.untouched_moves, 0))
    if fault.endswith("-strict"):
        found.append(Bar("no stale results on the wire", run.stale_on_wire, 0))
    if fault in LIVE_S:
        limit = LIVE_S[fault][source]
        live = math.inf if run.live_s is None else run.live_s
        found.append(Bar(f"touched cameras live elsewhere within {limit:g} s", live, limit))
    if fault in CONTROL_S:
        limit = CONTROL_S[fault]
        found.append(Bar(f"control back within {limit:g} s", max(run.control_s or 0.0, run.agents_s or 0.0), limit))
    if fault in ("drain", "join"):
        silence = math.inf if run.silence_s is None else run.silence_s
        limit = MOVING_INTERVALS * INTERVAL_S
        found.append(Bar(f"silence of moved cameras within {MOVING_INTERVALS} frame intervals", silence, limit))
    return found


def goals(fault: str, source: str, runs: Sequence[FaultRun]) -> list[Goal]:
    """Return the goals of a fault with what was measured; with fewer than nine runs, none is resolved."""
    return [_goal(same) for same in zip(*(bars(fault, source, one) for one in runs), strict=True)]


def _goal(runs: Sequence[Bar]) -> Goal:
    values, text, limit = [one.value for one in runs], runs[0].text, runs[0].limit
    if limit == 0:
        outcome = stats.all_zero([round(value) for value in values])
        measured = f"{sum(values):g} in {len(values)} runs"
    else:
        value = stats.estimate(values)
        outcome, measured = stats.at_most(value, limit), f"{value} s"
    return Goal(text, measured, outcome if len(runs) >= LEAST_RUNS else "not resolved")


def _table(fault: Fault, runs: Sequence[Run]) -> Table:
    table = Table(title=f"{fault.text}: {len(runs)} runs, median [95 % interval]; times in seconds")
    table.add_column("figure")
    table.add_column("value", justify="right")
    shown = [asdict(one.figures) for one in runs]
    for name in shown[0]:
        values = [one[name] for one in shown if one[name] is not None]
        if name != "silences_s" and values:
            table.add_row(name, str(stats.estimate(values)))
    table.add_row("busy_share", str(stats.estimate([one.busy_share for one in runs])))
    return table
