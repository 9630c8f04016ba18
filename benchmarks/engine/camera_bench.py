"""Goals and table of the benchmarks `engine` and `ingest`, which run on RTSP cameras without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import peers, stats
from benchmarks.report import NOISY, print_goals, print_machine
from benchmarks.rounds import Goal, Load, Measured, within
from benchmarks.run_once import Figures

ENGINE_CPU, ENGINE_OWN_LATENCY_MS = 1.10, 5.0
INGEST_LOAD = Load(4, staggered=False)
"""Load of the latency goals of `ingest`."""
INGEST_P50_MS, INGEST_P99_MS, INGEST_ENGINE_CPU = 10.0, 30.0, 1.08
OPEN_CAMERAS, OPEN_S = 8, 2.5
LATENCY_ENDS = (
    "Latency ends when the picture is in the ring (partstream), copied (bare loop), returned by read() (OpenCV) or in "
    "the sink (streamvision); for the whole engine, when its result is handed to ZeroMQ. Own: from ready until then."
)
OTHER_CPU = 1.05
"""Goal beside another checkout."""


def ingest_loads(cameras: Sequence[int]) -> tuple[Load, ...]:
    """Return two loads for each number of cameras, sent at once and staggered; one camera has a single load."""
    return tuple(
        load for count in cameras for load in ([Load(1)] if count == 1 else [Load(count, False), Load(count, True)])
    )


def engine_goals(measured: Measured) -> list[Goal]:
    """Return the goals of the whole engine, for the contenders and loads that were measured."""
    loads = sorted(measured.plan.loads, key=lambda load: load.cameras)
    found: list[Goal] = []
    for load in loads:
        for ours, floor in peers.FLOORS.items():
            found += _cpu(measured, load, ours, floor, ENGINE_CPU)
        if peers.OURS in measured.plan.contenders:
            found.append(_nothing_lost(measured, load, peers.OURS))
            text = f"ready to handed over, p99 at most {ENGINE_OWN_LATENCY_MS:g} ms, {load}"
            own = [run.own_latency_ms_p99 for run in measured.of(peers.OURS, load)]
            found.append(within(text, [value for value in own if value is not None], ENGINE_OWN_LATENCY_MS))
        for peer in peers.PEERS:
            found += _ahead(measured, peer, load)
    ratio = measured.paired((peers.OURS, loads[-1]), (peers.OURS, loads[0]), "cpu_ms_per_frame")
    if len(loads) > 1 and ratio:
        text = f"CPU per frame constant: with {loads[-1]} at most {ENGINE_CPU:.2f} x with {loads[0]}"
        found.append(within(text, ratio, ENGINE_CPU))
    return found + _beside_other(measured)


def ingest_goals(measured: Measured) -> list[Goal]:
    """Return the goals of native RTSP for the measured contenders and loads. A failed run counts as infinite."""
    found: list[Goal] = []
    for load in measured.plan.loads:
        if peers.NATIVE in measured.plan.contenders:
            if load == INGEST_LOAD:
                for figure, words, limit in (
                    ("latency_ms_p50", "p50", INGEST_P50_MS),
                    ("latency_ms_p99", "p99", INGEST_P99_MS),
                ):
                    text = f"{peers.NATIVE}: sent to decoded, {words} at most {limit:g} ms, {load}"
                    found.append(within(text, _every_round(measured, load, figure), limit))
            found.append(_nothing_lost(measured, load, peers.NATIVE))
            if load.cameras == OPEN_CAMERAS:
                text = f"{peers.NATIVE}: every camera's first picture within {OPEN_S:g} s, {load}"
                found.append(within(text, _every_round(measured, load, "open_s"), OPEN_S))
        found += _cpu(measured, load, peers.ENGINE_NATIVE, peers.BARE, INGEST_ENGINE_CPU)
    return found + _beside_other(measured)


def _cpu(measured: Measured, load: Load, ours: str, theirs: str, limit: float) -> list[Goal]:
    ratio = measured.paired((ours, load), (theirs, load), "cpu_ms_per_frame")
    text = f"{ours}: CPU per frame at most {limit:.2f} x {theirs}, {load}"
    return [within(text, ratio, limit)] if ratio else []


def _beside_other(measured: Measured) -> list[Goal]:
    others = [name for name in measured.plan.contenders if name.endswith(peers.OTHER)]
    return [
        goal
        for load in measured.plan.loads
        for other in others
        for goal in _cpu(measured, load, other.removesuffix(peers.OTHER), other, OTHER_CPU)
    ]


def _every_round(measured: Measured, load: Load, figure: str) -> list[float]:
    rows = measured.runs.get((peers.NATIVE, load), [])
    return [math.inf if run is None else getattr(run, figure) for run in rows]


def _nothing_lost(measured: Measured, load: Load, name: str) -> Goal:
    rows = measured.runs.get((name, load), [])
    failed = sum(run is None for run in rows)
    lost = [run.frames_lost for run in measured.of(name, load)]
    sent = sum(run.frames_sent for run in measured.of(name, load))
    counts = f"{sum(lost)} of {sent}" + (f", {failed} runs failed" if failed else "")
    outcome = stats.all_zero([*lost, *[1] * failed])
    return Goal(f"{name}: no frame lost, {load}", counts if rows else "not measured", outcome)


def _ahead(measured: Measured, peer: str, load: Load) -> list[Goal]:
    if not (measured.of(peer, load) and measured.of(peers.OURS, load)):
        return []
    found = [
        within(f"ahead of {peer} in {words}, {load}", measured.paired((peers.OURS, load), (peer, load), figure), 1.0)
        for figure, words in (
            ("cpu_ms_per_frame", "CPU per frame"),
            ("latency_ms_p50", "latency p50"),
            ("latency_ms_p99", "latency p99"),
        )
    ]
    ours, theirs = (sum(run.frames_lost for run in measured.of(name, load)) for name in (peers.OURS, peer))
    outcome = "met" if ours <= theirs else "missed"
    return [*found, Goal(f"no more frames lost than {peer}, {load}", f"{ours} to {theirs}", outcome)]


def print_cameras(measured: Measured, goals: list[Goal], machine: dict[str, Any], console: Console) -> None:
    """Print a table for each load, failures, goals, the machine, and a warning if it was busy."""
    for load in measured.plan.loads:
        console.print(_table(measured, load))
    console.print(LATENCY_ENDS)
    for name, why in measured.unavailable.items():
        console.print(f"[yellow]{name}: not measured: {why}[/]")
    for failure in measured.failures:
        console.print(f"[red]failed: {failure}[/]")
    print_goals(goals, console)
    print_machine(machine, console)
    shares = [run.other_cpu_share for runs in measured.runs.values() for run in runs if run is not None]
    if shares and stats.median(shares) > NOISY:
        console.print(
            f"[yellow]Other programs used {stats.median(shares):.0%} of the machine (median run). "
            "Measure again when the machine is idle.[/]"
        )


def _table(measured: Measured, load: Load) -> Table:
    plan = measured.plan
    table = Table(
        title=f"{load}, 720p25 H.264 over RTSP/TCP; "
        f"median of {plan.runs} alternating runs of {plan.seconds:g} s [95 % interval]",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("", no_wrap=True)
    headings = ("CPU ms\nper frame", "x bare loop", "ours\n/ this", "frames lost", "latency ms\np50", "\np99")
    for heading in (*headings, "own ms\np99", "subscriber ms\np50 / p99", "all open\nafter s", "RSS\nMiB"):
        table.add_column(heading, justify="right")
    for name in plan.contenders:
        if (name, load) in measured.runs:
            table.add_row(name, *_cells(measured, name, load))
    return table


def _cells(measured: Measured, name: str, load: Load) -> list[str]:
    runs = measured.of(name, load)
    failed = len(measured.runs[name, load]) - len(runs)
    if not runs:
        return ["", "", "", f"{failed} runs failed"]
    floor = peers.FLOORS.get(name.removesuffix(peers.OTHER), peers.BARE)
    ours = name.removesuffix(peers.OTHER) if name.endswith(peers.OTHER) else peers.OURS
    own = [run.own_latency_ms_p99 for run in runs if run.own_latency_ms_p99 is not None]
    return [
        str(stats.estimate([run.cpu_ms_per_frame for run in runs])),
        _cpu_ratio(measured, (name, load), (floor, load)),
        _cpu_ratio(measured, (ours, load), (name, load)) if name.endswith((peers.OTHER, *peers.PEERS)) else "",
        f"{sum(run.frames_lost for run in runs)} of {sum(run.frames_sent for run in runs)}"
        + (f", {failed} runs failed" if failed else ""),
        str(stats.estimate([run.latency_ms_p50 for run in runs])),
        str(stats.estimate([run.latency_ms_p99 for run in runs])),
        f"{stats.median(own):.2f}" if own else "",
        _at_subscriber(runs),
        f"{stats.median([run.open_s for run in runs]):.2f}",
        f"{stats.median([run.peak_rss_mib for run in runs]):.0f}",
    ]


def _cpu_ratio(measured: Measured, ours: tuple[str, Load], theirs: tuple[str, Load]) -> str:
    values = measured.paired(ours, theirs, "cpu_ms_per_frame") if ours != theirs else []
    return str(stats.estimate(values)) if values else ""


def _at_subscriber(runs: list[Figures]) -> str:
    seen = [run.subscriber for run in runs if run.subscriber is not None]
    if not seen:
        return ""
    missed = sum(one.missed for one in seen)
    p50, p99 = (stats.median(values) for values in ([s.latency_ms_p50 for s in seen], [s.latency_ms_p99 for s in seen]))
    return f"{p50:.1f} / {p99:.1f}" + (f", missed {missed}" if missed else "")
