"""Goals and table of the telemetry benchmark."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import peers, stats
from benchmarks.report import cpu_ratio, print_rest
from benchmarks.rounds import Goal, Load, Measured, within

CPU_LIMITS = {peers.WITH_METRICS: 1.03, peers.WITH_TRACES: 1.05}


def goals(measured: Measured) -> list[Goal]:
    """Return the goals for the CPU per frame relative to an engine without telemetry."""
    found: list[Goal] = []
    for name, limit in CPU_LIMITS.items():
        for load in measured.plan.loads:
            ratio = measured.paired((name, load), (peers.SILENT, load), "cpu_ms_per_frame")
            found.append(within(f"{name}: CPU per frame at most {limit:.2f} x {peers.SILENT}, {load}", ratio, limit))
    return found


def print_telemetry(measured: Measured, machine: dict[str, Any], console: Console) -> None:
    """Print a table per number of cameras, the goals and the machine."""
    for load in measured.plan.loads:
        console.print(_table(measured, load))
    print_rest(measured, goals(measured), machine, console)


def _table(measured: Measured, load: Load) -> Table:
    plan = measured.plan
    table = Table(
        title=f"{load}, 720p25 H.264 over RTSP/TCP, a model that does no work; "
        f"median of {plan.runs} alternating runs of {plan.seconds:g} s [95 % interval]"
    )
    table.add_column("", no_wrap=True)
    for heading in ("CPU ms per frame", f"x {peers.SILENT}", "frames lost", "ready to handed over, p99 ms", "RSS MiB"):
        table.add_column(heading, justify="right")
    for name in plan.contenders:
        runs = measured.of(name, load)
        if runs:
            lost, sent = sum(run.frames_lost for run in runs), sum(run.frames_sent for run in runs)
            own = [run.own_latency_ms_p99 for run in runs if run.own_latency_ms_p99 is not None]
            table.add_row(
                name,
                str(stats.estimate([run.cpu_ms_per_frame for run in runs])),
                cpu_ratio(measured, (name, load), (peers.SILENT, load)),
                f"{lost} of {sent}",
                str(stats.estimate(own)),
                f"{stats.median([run.peak_rss_mib for run in runs]):.0f}",
            )
    return table
