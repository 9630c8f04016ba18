"""Table of the ingest benchmark, with a row for each load and contender."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import peers, stats
from benchmarks.engine.ingest_bench import goals
from benchmarks.report import cpu_ratio, print_rest
from benchmarks.rounds import Load, Measured

LOST = "frames lost"
LATENCY_ENDS = (
    "Latency ends when the picture is in the ring (partstream), copied (bare loop), returned by read() (OpenCV) or "
    "in the sink (streamvision); for the whole engine, when its result is handed to ZeroMQ."
)


def print_ingest(measured: Measured, machine: dict[str, Any], console: Console) -> None:
    """Print the table, the goals and the machine."""
    console.print(_table(measured))
    print_rest(measured, goals(measured), machine, console)


def _table(measured: Measured) -> Table:
    plan = measured.plan
    table = Table(
        title="From the camera to the decoded picture, 720p25 H.264 over RTSP/TCP; "
        f"median of {plan.runs} alternating runs of {plan.seconds:g} s [95 % interval]",
        caption=LATENCY_ENDS,
        box=box.SIMPLE_HEAD,
    )
    table.add_column("cameras", justify="right")
    table.add_column("arrival")
    table.add_column("", no_wrap=True)
    headings = ("latency ms\np50", "\np99", "CPU ms\nper frame", "x bare loop", LOST, "all open\nafter s")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=heading != LOST)
    for load in plan.loads:
        for name in plan.contenders:
            if (name, load) in measured.runs:
                table.add_row(str(load.cameras), _arrival(load), name, *_cells(measured, name, load))
        table.add_section()
    return table


def _arrival(load: Load) -> str:
    if load.cameras == 1:
        return ""
    return "staggered" if load.staggered else "at once"


def _cells(measured: Measured, name: str, load: Load) -> list[str]:
    runs = measured.of(name, load)
    failed = len(measured.runs[name, load]) - len(runs)
    if not runs:
        return ["", "", "", "", f"{failed} runs failed", ""]
    lost, sent = sum(run.frames_lost for run in runs), sum(run.frames_sent for run in runs)
    return [
        str(stats.estimate([run.latency_ms_p50 for run in runs])),
        str(stats.estimate([run.latency_ms_p99 for run in runs])),
        str(stats.estimate([run.cpu_ms_per_frame for run in runs])),
        cpu_ratio(measured, (name, load), (peers.BARE, load)),
        f"{lost} of {sent}" + (f", {failed} runs failed" if failed else ""),
        str(stats.estimate([run.open_s for run in runs])),
    ]
