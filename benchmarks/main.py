"""The benchmarks' command line. Owns nothing; each command measures, prints and writes a JSON file.

Exit codes: 0 measured (whether the goals are met or not), 1 nothing could be measured, 2 wrong usage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import machine, peers
from benchmarks.cameras.camera_client import CameraServerError
from benchmarks.engine import end_to_end_bench, engine_bench, ingest_bench, telemetry_bench
from benchmarks.engine.ingest_report import print_ingest
from benchmarks.model import model_bench
from benchmarks.paper import paper_bench
from benchmarks.paper.paper_report import CPU_CAMERAS, CUDA_CAMERAS, print_paper
from benchmarks.report import print_end_to_end, print_engine, print_model, write_json
from benchmarks.rounds import Goal, Load, Measured, Plan, measure
from benchmarks.run_once import REPOSITORY, RunFailedError
from stages.profiles import PAPER
from stages.third_party.weights import WeightsError

REPEATABLE = ("--cameras", "--batch", "--threads", "--proposals")
TABLE_WIDTH = 170
RESULTS = REPOSITORY / "benchmarks" / "results"
QUICK = {"runs": 2, "seconds": 3.0, "warm_up_s": 1.0}

app = typer.Typer(
    name="bench",
    help="Measure partstream side by side with a bare loop and with peers, in one run on one machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Where the figures go.", show_default="benchmarks/results")
]
VideoOption = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="What cameras show.", show_default="a street")
]
QuickOption = Annotated[bool, typer.Option("--quick", help="A short look; too few runs to conclude anything.")]


def main(arguments: Sequence[str]) -> int:
    """Run a benchmark as the arguments say; the exit code."""
    try:
        app(spread(arguments), prog_name="bench")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except (CameraServerError, RunFailedError, WeightsError) as error:
        consoles()[1].print(f"[red]bench: {error}[/]")
        return 1
    return 0


def consoles() -> tuple[Console, Console]:
    """Tables to standard output, as wide as they are where that is no terminal; progress to standard error."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=TABLE_WIDTH), Console(
        stderr=True, highlight=False, soft_wrap=True
    )


def spread(arguments: Sequence[str]) -> list[str]:
    """Write `--cameras 1 4 8` as the repeated option that the parser knows: `--cameras 1 --cameras 4 --cameras 8`."""
    written: list[str] = []
    option = ""
    for argument in arguments:
        if argument.isdigit() and option and written[-1] != option:
            written += [option, argument]
            continue
        if not argument.isdigit():
            option = argument if argument in REPEATABLE else ""
        written.append(argument)
    return written


@app.command(epilog="Example:  bench engine --cameras 1 4 8 --runs 9 --json engine.json")
def engine(
    cameras: Annotated[list[int] | None, typer.Option(help="Cameras, e.g. 1 4 8.", show_default="1 4 8")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Alternating runs; 9 or more give an interval to trust.")] = 9,
    seconds: Annotated[float, typer.Option(min=1, help="Time measured in each run.")] = 8.0,
    contender: Annotated[list[str] | None, typer.Option(help=f"Only these: {', '.join(peers.ALL)}.")] = None,
    transport: Annotated[str, typer.Option(help=f"Of partstream's cameras: {', '.join(peers.TRANSPORTS)}.")] = "auto",
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Cameras over RTSP through the whole engine with a model that costs nothing: CPU, losses, latency."""
    console, progress = consoles()
    if transport not in peers.TRANSPORTS:
        raise typer.BadParameter(f"unknown transport {transport!r}; there are: {', '.join(peers.TRANSPORTS)}")
    loads = tuple(Load(count) for count in cameras or (1, 4, 8))
    plan = Plan(loads, _contenders(contender, peers.ALL), runs, seconds, transport=transport)
    plan = _shortened(plan) if quick else plan
    where = machine.describe()
    file = json or RESULTS / f"engine{'-quick' if quick else ''}.json"
    measured = _in_rounds("engine", plan, where, file, engine_bench.goals, progress)
    print_engine(measured, where, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  bench ingest --cameras 4 --runs 9 --json ingest.json")
def ingest(
    cameras: Annotated[list[int] | None, typer.Option(help="Cameras, e.g. 1 4 8.", show_default="1 4 8")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Alternating runs; 9 or more give an interval to trust.")] = 9,
    seconds: Annotated[float, typer.Option(min=1, help="Time measured in each run.")] = 5.0,
    contender: Annotated[list[str] | None, typer.Option(help=f"Only these: {', '.join(peers.INGEST)}.")] = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """From the camera to the decoded picture, by native RTSP and by FFmpeg: latency, CPU, losses, time to open."""
    console, progress = consoles()
    loads = ingest_bench.loads(cameras or (1, 4, 8))
    plan = Plan(loads, _contenders(contender, peers.INGEST), runs, seconds)
    plan = _shortened(plan) if quick else plan
    where = machine.describe()
    file = json or RESULTS / f"ingest{'-quick' if quick else ''}.json"
    measured = _in_rounds("ingest", plan, where, file, ingest_bench.goals, progress)
    print_ingest(measured, where, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  bench telemetry --cameras 4 --runs 9 --seconds 10")
def telemetry(
    cameras: Annotated[list[int] | None, typer.Option(help="Cameras, e.g. 1 4.", show_default="4")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Alternating runs; 9 or more give an interval to trust.")] = 9,
    seconds: Annotated[
        float, typer.Option(min=5, help="Time measured in each run; best a multiple of 5, between two scrapes.")
    ] = 10.0,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """What metrics and traces cost: the whole engine with neither, with metrics, with both."""
    console, progress = consoles()
    plan = Plan(tuple(Load(count) for count in cameras or (4,)), peers.TELEMETRY, runs, seconds)
    plan = replace(plan, **{**QUICK, "seconds": 5.0}) if quick else plan
    where = machine.describe()
    file = json or RESULTS / f"telemetry{'-quick' if quick else ''}.json"
    measured = _in_rounds("telemetry", plan, where, file, telemetry_bench.goals, progress)
    telemetry_bench.print_telemetry(measured, where, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  bench model --threads 1 --batch 1 8")
def model(
    profile: Annotated[str, typer.Option(help="edge, kinetics-tps, or the path of a checkpoint.")] = "edge",
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="The detector's picture.", show_default="the profile's")
    ] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Frames a batch, e.g. 1 8.", show_default="1 2 4 8")] = None,
    threads: Annotated[list[int] | None, typer.Option(help="CPU threads, e.g. 1 2.", show_default="1 2")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Batches measured for each.")] = 15,
    video: VideoOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """What the model costs a frame and a person, by stage and batch size, beside the floor of its multiply-adds."""
    console, progress = consoles()
    plan = model_bench.ModelPlan(
        profile,
        _size(size),
        tuple(batch or ((1, 4) if quick else (1, 2, 4, 8))),
        tuple(threads or ((1,) if quick else (1, 2))),
        6 if quick else repeats,
        video,
    )
    where = machine.describe()
    file = json or RESULTS / f"model{'-quick' if quick else ''}.json"
    measured = model_bench.measure(plan, progress.print, time.perf_counter)
    write_json(file, _headed("model", where, measured.as_json()))
    print_model(measured, where, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  bench paper --profile runs/kinetics-tps.safetensors --threads 1")
def paper(
    profile: Annotated[str, typer.Option(help="kinetics-tps, or the path of a checkpoint with a detector.")] = PAPER,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    video: VideoOption = None,
    cameras: Annotated[
        int | None, typer.Option(min=1, help="Cameras.", show_default=f"{CPU_CAMERAS}, on CUDA {CUDA_CAMERAS}")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Alternating runs; 9 or more give an interval to trust.")] = 9,
    batches: Annotated[int, typer.Option(min=1, help="Batches a run, of a frame of each camera.")] = 10,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of both; 0 leaves a core.")] = 0,
    proposals: Annotated[
        list[int] | None, typer.Option(help="Fewer places to look at, e.g. 50 25.", show_default="50 25")
    ] = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """The paper's profile beside a loop of mmdet's `inference_detector` and heads person by person."""
    console, progress = consoles()
    if device != "cpu" and not device.startswith("cuda"):
        raise typer.BadParameter(f"{device!r} is not cpu, cuda or cuda:N")
    plan = paper_bench.PaperPlan(
        profile,
        device,
        video,
        cameras or (CUDA_CAMERAS if device.startswith("cuda") else CPU_CAMERAS),
        2 if quick else pairs,
        3 if quick else batches,
        threads,
        tuple(proposals or (50, 25)),
        1.0 if quick else 8.0,
    )
    where = machine.describe()
    kind = "paper-cuda" if device.startswith("cuda") else "paper"
    file = json or RESULTS / f"{kind}{'-quick' if quick else ''}.json"
    measured = paper_bench.measure(plan, progress.print)
    write_json(file, _headed("paper", where, measured.as_json()))
    print_paper(measured, where, console)
    console.print(f"written to {file}")


@app.command("end-to-end", epilog="Example:  bench end-to-end --fps 10 --size 256x256")
def end_to_end(
    profile: Annotated[str, typer.Option(help="edge, kinetics-tps, or the path of a checkpoint.")] = "edge",
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="The detector's picture.", show_default="the profile's")
    ] = None,
    fps: Annotated[int, typer.Option(min=1, max=60, help="Frames a second that every camera sends.")] = 5,
    most: Annotated[int, typer.Option(min=1, help="Never more cameras than this.")] = 16,
    runs: Annotated[int, typer.Option(min=1, help="Runs for each number of cameras.")] = 3,
    seconds: Annotated[float, typer.Option(min=2, help="Time measured in each run.")] = 15.0,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Live cameras that the machine sustains: one more at a time until under 95 % of their frames are processed."""
    console, progress = consoles()
    if quick:
        runs, seconds, most = 1, 6.0, min(most, 2)
    plan = end_to_end_bench.EndToEndPlan(profile, _size(size), fps, most, runs, seconds)
    where = machine.describe()
    file = json or RESULTS / f"end-to-end{'-quick' if quick else ''}.json"
    measured = end_to_end_bench.measure(plan, progress.print)
    write_json(file, _headed("end-to-end", where, measured.as_json()))
    print_end_to_end(measured, where, console)
    console.print(f"written to {file}")


def _contenders(chosen: list[str] | None, there_are: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(chosen or []) - set(there_are)
    if unknown:
        raise typer.BadParameter(f"unknown contender {sorted(unknown)}; there are: {', '.join(there_are)}")
    return tuple(chosen or there_are)


def _shortened(plan: Plan) -> Plan:
    return replace(plan, **QUICK)


def _in_rounds(
    kind: str,
    plan: Plan,
    where: dict[str, Any],
    file: Path,
    goals: Callable[[Measured], list[Goal]],
    progress: Console,
) -> Measured:
    """Run the plan, writing the file after every round. Raises `RunFailedError` if nothing could be measured."""

    def save(measured: Measured) -> None:
        write_json(file, _headed(kind, where, measured.as_json(goals(measured))))

    progress.print(f"about {plan.duration_s / 60:.0f} min")
    measured = measure(plan, progress.print, save)
    if not any(run for runs in measured.runs.values() for run in runs):
        raise RunFailedError("nothing could be measured")
    return measured


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise typer.BadParameter(f"{text!r} is not WxH, for example 512x288")
    return int(width), int(height)


def _headed(kind: str, where: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    return {"benchmark": kind, "commit": machine.commit(REPOSITORY), "machine": where, **content}
