"""Tables of `bench paper`: times, equality of the answers, lower bound, proposals, rates and goals.

If the answers differ, no ratio is reported and no goal is met.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import stats
from benchmarks.paper.answer_comparison import MIN_IOU, MIN_SCORE
from benchmarks.paper.paper_bench import AGE_LIMIT_MS, KEPT_IOU, NO_CUDA, OURS, PLAIN, PaperMeasured
from benchmarks.report import NOISY, print_goals, print_machine
from benchmarks.rounds import Goal, camera_count

CPU_GOAL, CPU_CAMERAS = 1.3, 4
CUDA_GOAL, CUDA_CAMERAS = 8.0, 16


def print_paper(measured: PaperMeasured, machine: dict[str, Any], console: Console) -> None:
    """Print all tables."""
    console.print(_contenders(measured))
    _print_agreement(measured, console)
    console.print(_stages(measured))
    if measured.kept:
        console.print(_proposals(measured))
    _print_rates(measured, console)
    print_goals(goals(measured), console)
    print_machine(machine, console)
    if measured.other_cpu_share > NOISY:
        console.print(
            f"[yellow]Other programs used {measured.other_cpu_share:.0%} of the machine. "
            "Measure again when it is quiet.[/]"
        )


def goals(measured: PaperMeasured) -> list[Goal]:
    """Return the goals of the profile on a CPU and on a CUDA device; the device that was not used is not resolved."""
    on_cuda = measured.plan.device.startswith("cuda")
    elsewhere = f"run again with --device {'cpu' if on_cuda else 'cuda:0'}"
    if not on_cuda and measured.as_json()["cuda"]:
        elsewhere = NO_CUDA
    found: list[Goal] = []
    for device, here, limit, cameras in (
        ("a CPU", not on_cuda, CPU_GOAL, CPU_CAMERAS),
        ("a CUDA device", on_cuda, CUDA_GOAL, CUDA_CAMERAS),
    ):
        text = f"at least {limit:g} x as fast as the {PLAIN}, {cameras} cameras, on {device}"
        result, outcome = _faster(measured, limit, cameras) if here else (elsewhere, "not resolved")
        found.append(Goal(text, result, outcome))
    return found


def _faster(measured: PaperMeasured, limit: float, cameras: int) -> tuple[str, stats.Outcome]:
    ratio = measured.ratio
    if ratio is None:
        return f"no ratio: {measured.same.incomparable}", "not resolved"
    if measured.plan.cameras != cameras:
        return f"{ratio} x, with {camera_count(measured.plan.cameras)}", "not resolved"
    return f"{ratio} x", stats.at_least(ratio, limit)


def _contenders(measured: PaperMeasured) -> Table:
    plan, (width, height) = measured.plan, measured.picture
    table = Table(
        title=f"{Path(plan.profile).name}, {width}x{height}, {measured.proposals} proposals, "
        f"{camera_count(plan.cameras)}, {plan.device} ({measured.threads} threads); "
        f"{plan.pairs} runs of {plan.batches} batches: median [95 %]"
    )
    table.add_column("", no_wrap=True)
    for heading in (
        "ms per frame",
        "CPU ms\nper frame",
        "detection ms\nper frame",
        "the rest",
        f"speed-up of\n{OURS}",
        "in CPU time",
    ):
        table.add_column(heading, justify="right")
    detection = stats.median(measured.stages.get("detection", []))
    ours = measured.ms(OURS)
    table.add_row(OURS, str(ours), _cpu(measured, OURS), f"{detection:.2f}", f"{ours.median - detection:.2f}", "", "")
    halves = [stats.median(values) for values in zip(*measured.plain_halves, strict=True)]
    ratios = ["no ratio", ""]
    if measured.ratio is not None:
        ratios = [f"{measured.ratio} x", f"{measured.times_faster(of='cpu_ms_per_frame')} x"]
    cells = (f"{half:.2f}" for half in halves)
    table.add_row(PLAIN, str(measured.ms(PLAIN)), _cpu(measured, PLAIN), *cells, *ratios)
    return table


def _cpu(measured: PaperMeasured, name: str) -> str:
    return str(stats.estimate([run.cpu_ms_per_frame for run in measured.runs[name]]))


def _print_agreement(measured: PaperMeasured, console: Console) -> None:
    same = measured.same
    console.print(
        f"boxes above {MIN_SCORE} in {same.frames} frames ({measured.pictures} pictures): {same.boxes}, of which "
        f"{same.matched} match one of the {PLAIN} with the same class and an IoU of {MIN_IOU}; of the {PLAIN}'s "
        f"{same.their_boxes}, {same.their_matched} match"
    )
    console.print(
        f"people in these frames: {same.people}; detected by both: {same.same_people}; with the same action: "
        f"{same.same_actions} ({same.action_share:.2%})"
    )
    if same.incomparable:
        console.print(f"[red]No ratio is reported: {same.incomparable}.[/]")
    if not measured.model.trained:
        console.print("[red]The checkpoint is not trained, so its figures are meaningless.[/]")


def _stages(measured: PaperMeasured) -> Table:
    floor = measured.floor
    rate = 0.0 if floor is None else floor.float32_per_s / 1e9
    table = Table(title=f"{OURS} by stage; floor at the measured {rate:.0f} G multiply-adds per second in float32")
    table.add_column("stage")
    for heading in ("ms per frame", "M multiply-adds\nper frame", "floor ms\nper frame", "x floor"):
        table.add_column(heading, justify="right")
    counted = {} if floor is None else floor.by_stage
    for stage, times in measured.stages.items():
        table.add_row(
            stage, f"{stats.median(times):.3f}", *_floor_columns(stats.median(times), counted.get(stage), rate)
        )
    table.add_section()
    ours = measured.ms(OURS)
    table.add_row("total", str(ours), *_floor_columns(ours.median, sum(counted.values()), rate))
    return table


def _floor_columns(ms: float, multiply_adds: float | None, giga_per_s: float) -> tuple[str, str, str]:
    if not multiply_adds or not giga_per_s:
        return ("", "", "")
    floor_ms = multiply_adds / giga_per_s / 1e6
    return f"{multiply_adds / 1e6:.1f}", f"{floor_ms:.3f}", f"{ms / floor_ms:.1f}"


def _proposals(measured: PaperMeasured) -> Table:
    table = Table(
        title=f"Fewer proposals than {measured.proposals}; boxes above {MIN_SCORE} still found at IoU {KEPT_IOU}"
    )
    table.add_column("", no_wrap=True)
    for heading in ("ms per frame", f"speed-up against\n{measured.proposals}", "boxes still found"):
        table.add_column(heading, justify="right")
    for name, kept in measured.kept.items():
        table.add_row(
            name,
            str(measured.ms(name)),
            f"{measured.times_faster(name, OURS)} x",
            f"{kept.their_matched} of {kept.their_boxes} ({kept.kept:.2%})" if kept.their_boxes else "none to compare",
        )
    return table


def _print_rates(measured: PaperMeasured, console: Console) -> None:
    for paced in measured.paced:
        console.print(
            f"{camera_count(paced.cameras)} x {paced.fps:g} frames per second: {paced.processed} of {paced.due} "
            f"processed, age p50 {paced.age_ms_p50:.0f} ms, p99 {paced.age_ms_p99:.0f} ms"
        )
    best = measured.sustained
    rate = "none of the tested rates" if best is None else f"{camera_count(best.cameras)} x {best.fps:g} = "
    rate += "" if best is None else f"{best.cameras * best.fps:g} frames per second"
    console.print(f"sustained with an age p99 of at most {AGE_LIMIT_MS:.0f} ms, without decoding: {rate}")
    peak = measured.peak_share
    if peak is not None:
        console.print(f"share of the card's measured bfloat16 peak: {peak:.2%}")
    else:
        no_card = measured.as_json()["cuda"] is not None
        console.print(f"share of a card's bfloat16 peak: {NO_CUDA if no_card else 'run again with --device cuda:0'}")
