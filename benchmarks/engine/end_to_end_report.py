"""Tables of the end-to-end benchmark: the cameras sustained, and the figures of the trials that decide."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import stats
from benchmarks.engine.end_to_end_bench import LEAST_SHARE, MOST_AGE_MS, Cell, EndToEndMeasured
from benchmarks.engine.end_to_end_trial import Trial
from benchmarks.report import NOISY, print_goals, print_machine


def print_end_to_end(measured: EndToEndMeasured, machine: dict[str, Any], console: Console) -> None:
    """Print both tables, the goals, what the benchmark itself used, the machine, and a warning if it was busy."""
    console.print(capacity_table(measured))
    console.print(trial_table(measured))
    for cell in measured.cells:
        if cell.failure is not None:
            console.print(f"[red]failed: {cell}: {cell.failure}[/]")
    if found := measured.goals():
        print_goals(found, console)
    trials = [trial for cell in measured.cells for trial in cell.trials]
    if trials:
        console.print(
            f"The cameras used up to {max(trial.cameras_cores for trial in trials):.2f} cores and the subscriber up to "
            f"{max(trial.subscriber_cores for trial in trials):.2f}, which are not in the engine's figures."
        )
    print_machine(machine, console)
    if trials and (busy := stats.median([trial.other_cpu_share for trial in trials])) > NOISY:
        console.print(
            f"[yellow]Other programs used {busy:.0%} of the machine (median trial). "
            "Measure again when the machine is idle.[/]"
        )


def capacity_table(measured: EndToEndMeasured) -> Table:
    """Return the table of cameras sustained, with a row for each scene and resolution."""
    plan = measured.plan
    table = Table(
        title=f"Cameras sustained (frames per second in all), {plan.fps} frames per second each",
        caption=f"Sustained: at least {LEAST_SHARE:.0%} of the due results received, age p99 at most "
        f"{MOST_AGE_MS / 1000:g} s. The cameras and the subscriber run on other cores if there are any.",
        min_width=80,
    )
    table.add_column("scene")
    table.add_column("resolution")
    for cores in plan.cores:
        table.add_column(f"engine on {cores} core{'s' if cores > 1 else ''}", justify="right")
    for scene in plan.scenes:
        for width, height in plan.resolutions:
            found = [measured.cell(scene, (width, height), cores) for cores in plan.cores]
            table.add_row(scene, f"{width}x{height}", *(_capacity(cell, plan.fps, plan.most) for cell in found))
    return table


def trial_table(measured: EndToEndMeasured) -> Table:
    """Return the figures of one camera, of the number sustained, and of the smallest that is not."""
    table = Table(
        title=f"Trials of {measured.plan.seconds:g} s; medians where there are several. Times in ms, p50 / p99",
        caption="age: from sent to received by a subscriber. published: from arrival until handed to ZeroMQ, of which "
        "model and engine. engine cores: CPU time per second.",
    )
    for heading in ("engine on", "scene", "resolution"):
        table.add_column(heading, no_wrap=True)
    headings = ("cameras", "received", "age", "published", "model", "engine", "CPU ms\nper frame", "engine\ncores")
    for heading in (*headings, "model\nbusy", "people\nper frame", "dropped"):
        table.add_column(heading, justify="right")
    for cell in measured.cells:
        shown = sorted({1, cell.sustained, cell.too_many or 1} - {0})
        for cameras in shown:
            if trials := cell.of(cameras):
                width, height = cell.resolution
                place = (f"{cell.cores} core{'s' if cell.cores > 1 else ''}", cell.scene, f"{width}x{height}")
                table.add_row(*(place if cameras == shown[0] else ("", "", "")), *_figures(cameras, trials))
        table.add_section()
    return table


def _figures(cameras: int, trials: list[Trial]) -> list[str]:
    dropped = {
        reason: sum(trial.dropped.get(reason, 0) for trial in trials)
        for reason in sorted({reason for trial in trials for reason in trial.dropped})
    }
    return [
        str(cameras),
        f"{stats.median([trial.share for trial in trials]):.1%}",
        _p50_p99([(trial.age_ms_p50, trial.age_ms_p99) for trial in trials]),
        _p50_p99([(trial.published_ms_p50, trial.published_ms_p99) for trial in trials]),
        _p50_p99([(trial.model_ms_p50, trial.model_ms_p99) for trial in trials]),
        _p50_p99([(trial.engine_ms_p50, trial.engine_ms_p99) for trial in trials]),
        f"{stats.median([trial.cpu_ms_per_frame for trial in trials]):.1f}",
        f"{stats.median([trial.engine_cores for trial in trials]):.2f}",
        f"{stats.median([trial.model_share for trial in trials]):.0%}",
        f"{stats.median([trial.people / max(trial.processed, 1) for trial in trials]):.1f}",
        ", ".join(f"{reason} {count}" for reason, count in dropped.items() if count),
    ]


def _capacity(cell: Cell | None, fps: int, most: int) -> str:
    if cell is None or cell.failure is not None:
        return "not measured"
    more = " or more" if cell.sustained == most else ""
    return f"{cell.sustained}{more} ({cell.sustained * fps})"


def _p50_p99(trials: list[tuple[float | None, float | None]]) -> str:
    p50, p99 = (stats.median([value for value in values if value is not None]) for values in zip(*trials, strict=True))
    return f"{p50:.0f} / {p99:.0f}"
