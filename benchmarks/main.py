"""Command line of the benchmarks. Each command measures, prints tables and writes a JSON file.

Exit codes: 0 measured (whether goals are met or not), 1 nothing could be measured, 2 usage error.
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
from benchmarks.cameras.scenes import SCENES
from benchmarks.engine import end_to_end_bench, engine_bench, ingest_bench, telemetry_bench
from benchmarks.engine.end_to_end_report import print_end_to_end
from benchmarks.engine.end_to_end_trial import EngineOptions, usable_cores
from benchmarks.engine.ingest_report import print_ingest
from benchmarks.examples import example_bench
from benchmarks.examples.example_report import print_examples
from benchmarks.model import found as found_bench
from benchmarks.model import model_bench
from benchmarks.model.found_watching import VariantError, variants_of
from benchmarks.paper import paper_bench
from benchmarks.paper.paper_report import CPU_CAMERAS, CUDA_CAMERAS, print_paper
from benchmarks.report import print_engine, print_model, write_json
from benchmarks.rounds import Goal, Load, Measured, Plan, measure
from benchmarks.run_once import REPOSITORY, RunFailedError
from stages.profiles import PAPER
from stages.third_party.weights import WeightsError
from training.run.learning.training_run import TrainingError
from training.sources.terms import DataFolderError
from training.video.frames import VideoReadError

REPEATABLE = ("--cameras", "--batch", "--threads", "--proposals", "--cores")
TABLE_WIDTH = 170
RESULTS = Path("build", "benchmarks")
"""Published figures are copied from here to benchmarks/results on purpose."""
QUICK = {"runs": 2, "seconds": 3.0, "warm_up_s": 1.0}

app = typer.Typer(
    name="bench",
    add_completion=False,
    help="Measure partstream against a bare loop and other programs, in one run on one machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Output file.", show_default=f"in {RESULTS}")
]
VideoOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Video to show.", show_default="street footage"),
]
QuickOption = Annotated[
    bool, typer.Option("--quick", metavar="", help="Short trial with too few runs for conclusions.")
]


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code."""
    try:
        app(spread(arguments), prog_name="partstream bench")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except (CameraServerError, RunFailedError, WeightsError) as error:
        consoles()[1].print(f"[red]bench: {error}[/]")
        return 1
    return 0


def consoles() -> tuple[Console, Console]:
    """Return the consoles for tables (standard output, full width if it is no terminal) and for progress."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=TABLE_WIDTH), Console(
        stderr=True, highlight=False, soft_wrap=True
    )


def spread(arguments: Sequence[str]) -> list[str]:
    """Expand `--cameras 1 4 8` to `--cameras 1 --cameras 4 --cameras 8`, which the parser requires."""
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


@app.command(epilog="Example:  partstream bench engine --cameras 1 4 8 --runs 9 --json engine.json")
def engine(
    cameras: Annotated[list[int] | None, typer.Option(help="Cameras, e.g. 1 4 8.", show_default="1 4 8")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Alternating runs; use 9 or more for a reliable interval.")] = 9,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds measured in each run.")] = 8.0,
    contender: Annotated[list[str] | None, typer.Option(help=f"Measure only these: {', '.join(peers.ALL)}.")] = None,
    transport: Annotated[str, typer.Option(help=f"Transport of partstream: {', '.join(peers.TRANSPORTS)}.")] = "auto",
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """CPU, lost frames and latency of the whole engine on RTSP cameras, with a model that does no work."""
    console, progress = consoles()
    if transport not in peers.TRANSPORTS:
        raise typer.BadParameter(f"unknown transport {transport!r}; available: {', '.join(peers.TRANSPORTS)}")
    loads = tuple(Load(count) for count in cameras or (1, 4, 8))
    plan = Plan(loads, _contenders(contender, peers.ALL), runs, seconds, transport=transport)
    plan = _shortened(plan) if quick else plan
    host = machine.describe()
    file = json or RESULTS / f"engine{'-quick' if quick else ''}.json"
    measured = _in_rounds("engine", plan, host, file, engine_bench.goals, progress)
    print_engine(measured, host, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  partstream bench ingest --cameras 4 --runs 9 --json ingest.json")
def ingest(
    cameras: Annotated[list[int] | None, typer.Option(help="Cameras, e.g. 1 4 8.", show_default="1 4 8")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Alternating runs; use 9 or more for a reliable interval.")] = 9,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds measured in each run.")] = 5.0,
    contender: Annotated[list[str] | None, typer.Option(help=f"Measure only these: {', '.join(peers.INGEST)}.")] = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Latency, CPU, lost frames and opening time from the camera to the decoded picture."""
    console, progress = consoles()
    loads = ingest_bench.loads(cameras or (1, 4, 8))
    plan = Plan(loads, _contenders(contender, peers.INGEST), runs, seconds)
    plan = _shortened(plan) if quick else plan
    host = machine.describe()
    file = json or RESULTS / f"ingest{'-quick' if quick else ''}.json"
    measured = _in_rounds("ingest", plan, host, file, ingest_bench.goals, progress)
    print_ingest(measured, host, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  partstream bench telemetry --cameras 4 --runs 9 --seconds 10")
def telemetry(
    cameras: Annotated[list[int] | None, typer.Option(help="Cameras, e.g. 1 4.", show_default="4")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Alternating runs; use 9 or more for a reliable interval.")] = 9,
    seconds: Annotated[
        float, typer.Option(min=5, help="Seconds measured in each run, best a multiple of 5 (the scrape interval).")
    ] = 10.0,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Cost of telemetry: the whole engine without it, with metrics, and with metrics and traces."""
    console, progress = consoles()
    plan = Plan(tuple(Load(count) for count in cameras or (4,)), peers.TELEMETRY, runs, seconds)
    plan = replace(plan, **{**QUICK, "seconds": 5.0}) if quick else plan
    host = machine.describe()
    file = json or RESULTS / f"telemetry{'-quick' if quick else ''}.json"
    measured = _in_rounds("telemetry", plan, host, file, telemetry_bench.goals, progress)
    telemetry_bench.print_telemetry(measured, host, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  partstream bench model --threads 1 --batch 1 8")
def model(
    profile: Annotated[str, typer.Option(help="edge, edge-open, kinetics-tps, or the path of a checkpoint.")] = "edge",
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Detector size.", show_default="the profile's")
    ] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Frames per batch, e.g. 1 8.", show_default="1 2 4 8")] = None,
    threads: Annotated[list[int] | None, typer.Option(help="CPU threads, e.g. 1 2.", show_default="1 2")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Batches measured per configuration.")] = 15,
    video: VideoOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Cost of the model per frame and person, by stage and batch size, and its lower bound by multiply-adds."""
    console, progress = consoles()
    plan = model_bench.ModelPlan(
        profile,
        _size(size),
        tuple(batch or ((1, 4) if quick else (1, 2, 4, 8))),
        tuple(threads or ((1,) if quick else (1, 2))),
        6 if quick else repeats,
        video,
    )
    host = machine.describe()
    file = json or RESULTS / f"model{'-quick' if quick else ''}.json"
    measured = model_bench.measure(plan, progress.print, time.perf_counter)
    write_json(file, _with_header("model", host, measured.as_json()))
    print_model(measured, host, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  partstream bench paper --profile runs/kinetics-tps.safetensors --threads 1")
def paper(
    profile: Annotated[str, typer.Option(help="kinetics-tps, or the path of a checkpoint with a detector.")] = PAPER,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    video: VideoOption = None,
    cameras: Annotated[
        int | None, typer.Option(min=1, help="Cameras.", show_default=f"{CPU_CAMERAS}, on CUDA {CUDA_CAMERAS}")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Alternating runs; use 9 or more for a reliable interval.")] = 9,
    batches: Annotated[int, typer.Option(min=1, help="Batches per run, with one frame of each camera.")] = 10,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of both contenders; 0 leaves one core free.")] = 0,
    proposals: Annotated[
        list[int] | None, typer.Option(help="Also measure with fewer proposals, e.g. 50 25.", show_default="50 25")
    ] = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """The paper's profile against a plain loop of mmdet's `inference_detector` and heads person by person."""
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
    host = machine.describe()
    kind = "paper-cuda" if device.startswith("cuda") else "paper"
    file = json or RESULTS / f"{kind}{'-quick' if quick else ''}.json"
    measured = paper_bench.measure(plan, progress.print)
    write_json(file, _with_header("paper", host, measured.as_json()))
    print_paper(measured, host, console)
    console.print(f"written to {file}")


@app.command(
    "end-to-end", epilog="Example:  partstream bench end-to-end --scene street --resolution 1280x720 --cores 2"
)
def end_to_end(
    scene: Annotated[
        list[str] | None, typer.Option(help=f"Scene: {', '.join(SCENES)}; may be repeated.", show_default="all")
    ] = None,
    resolution: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WxH",
            help="Size of the cameras' pictures; may be repeated.",
            show_default="640x360, 1280x720, 1920x1080",
        ),
    ] = None,
    cores: Annotated[list[int] | None, typer.Option(help="Cores of the engine, e.g. 1 2.", show_default="1 2")] = None,
    fps: Annotated[int, typer.Option(min=1, max=60, help="Frames per second of each camera.")] = 5,
    room: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Video of a room with one person.", show_default="a dancer in a studio"
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="edge, edge-open, kinetics-tps, or the path of a checkpoint.", show_default="edge"),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Detector size.", show_default="the profile's")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Configuration of the engine without cameras.", show_default="defaults"
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Largest number of cameras.")] = 64,
    runs: Annotated[int, typer.Option(min=1, help="Runs of the number of cameras that is found.")] = 3,
    seconds: Annotated[
        float, typer.Option(min=2, help="Seconds measured in each run, best a multiple of model.sweep_s.")
    ] = 15.0,
    quick: Annotated[
        bool, typer.Option("--quick", metavar="", help="Only 1280x720 on two cores, one run of 10 s for each number.")
    ] = False,
    json: JsonOption = None,
) -> None:
    """Number of live cameras that the machine sustains with a real model, by scene, picture size and cores."""
    console, progress = consoles()
    if unknown := set(scene or ()) - set(SCENES):
        raise typer.BadParameter(f"unknown scene {sorted(unknown)}; available: {', '.join(SCENES)}")
    usable = len(usable_cores())
    if cores and max(cores) > usable:
        raise typer.BadParameter(f"--cores {max(cores)}: this process may use {usable}")
    sizes = [_size(one) for one in resolution or ()]
    plan = end_to_end_bench.EndToEndPlan(
        tuple(scene or SCENES),
        tuple(one for one in sizes if one) or end_to_end_bench.RESOLUTIONS,
        tuple(cores or (count for count in end_to_end_bench.CORES if count <= usable)),
        fps,
        most,
        runs,
        seconds,
        room=room,
        engine=EngineOptions(profile, _size(size), config),
    )
    if quick:
        plan = replace(plan, resolutions=((1280, 720),), cores=(min(2, usable),), runs=1, seconds=10.0)
    host = machine.describe()
    file = json or RESULTS / f"end-to-end{'-quick' if quick else ''}.json"

    def save(measured: end_to_end_bench.EndToEndMeasured) -> None:
        write_json(file, _with_header("end-to-end", host, measured.as_json()))

    progress.print(f"about {plan.duration_s / 60:.0f} min")
    try:
        measured = end_to_end_bench.measure(plan, progress.print, save)
    except ValueError as error:
        raise RunFailedError(str(error)) from None
    print_end_to_end(measured, host, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  partstream bench examples --base runs/base.safetensors --data real --action clap")
def examples(
    base: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Checkpoint that knows none of the actions.")],
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Data folder of recorded motion.")],
    action: Annotated[list[str] | None, typer.Option(help="Action to learn from captures of five people.")] = None,
    filmed: Annotated[list[str] | None, typer.Option(help="Action to learn from pieces of labelled videos.")] = None,
    recorded: Annotated[bool, typer.Option("--recorded", metavar="", help="Also train on the data folder.")] = False,
    people: Annotated[example_bench.JudgingPeople, typer.Option(help="Captured people to test on.")] = "test",
    draws: Annotated[int, typer.Option(min=1, help="Draws of ten clips for each action.")] = 1,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Accuracy of an action that a checkpoint learns from ten clips, on people who are not in them."""
    console, progress = consoles()
    actions = (*(action or ()), *(filmed or ()))
    if not actions:
        raise typer.BadParameter("name an action, such as --action clap or --filmed push_up")
    plan = example_bench.ExamplePlan(base, data, actions, tuple(filmed or ()), people, recorded, 1 if quick else draws)
    plan = replace(plan, minutes=0.2) if quick else plan
    host = machine.describe()
    file = json or RESULTS / f"examples{'-quick' if quick else ''}.json"
    try:
        measured = example_bench.measure(plan, progress.print)
    except (ValueError, DataFolderError, TrainingError) as error:
        raise RunFailedError(str(error)) from None
    write_json(file, _with_header("examples", host, measured.as_json()))
    print_examples(measured, console)
    console.print(f"written to {file}")


@app.command(epilog="Example:  partstream bench found --variant full:detection=full --variant auto:sweep_s=10")
def found(
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:FIELD=VALUE,…",
            help="Settings of the model to measure, such as regions:detection=regions,sweep_s=2; may be repeated. "
            "The others are compared with the first.",
            show_default="the default settings",
        ),
    ] = None,
    people: Annotated[int, typer.Option(min=0, help="Drawn people, a third of each height.")] = 300,
    picture: Annotated[str, typer.Option(metavar="WxH", help="Size of drawn pictures, even.")] = "1280x720",
    scenes: Annotated[int, typer.Option(min=0, help="Drawn scenes without people.")] = 40,
    footage: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder with the labelled videos of le2i, urfd, or both.",
            show_default="none",
        ),
    ] = None,
    clips: Annotated[
        int | None, typer.Option(min=1, help="Labelled videos of each source, evenly chosen.", show_default="all")
    ] = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Share of people who are found, wrong tracks, and CPU time of the model, by variants of its settings."""
    console, progress = consoles()
    size = _size(picture)
    if size is None or min(size) < 128 or any(side % 2 for side in size):
        raise typer.BadParameter(f"--picture {picture}: both sides must be even, and at least 128")
    try:
        variants = variants_of(variant or ["default:"])
    except VariantError as error:
        raise typer.BadParameter(f"--variant {error}") from None
    if not people and not scenes and footage is None:
        raise typer.BadParameter("--people 0 --scenes 0 without --footage leaves nothing to measure")
    plan = found_bench.FoundPlan(tuple(variants), size, people, scenes, footage, clips)
    plan = replace(plan, people=min(6, people), scenes=min(2, scenes), clips=1) if quick else plan
    host = machine.describe()
    file = json or RESULTS / f"found{'-quick' if quick else ''}.json"

    def save(measured: found_bench.FoundMeasured) -> None:
        write_json(file, _with_header("found", host, measured.as_json()))

    try:
        measured = found_bench.measure(plan, progress.print, save)
    except (ValueError, VideoReadError) as error:
        raise RunFailedError(str(error)) from None
    found_bench.print_found(measured, host, console)
    console.print(f"written to {file}")


def _contenders(chosen: list[str] | None, available: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(chosen or []) - set(available)
    if unknown:
        raise typer.BadParameter(f"unknown contender {sorted(unknown)}; available: {', '.join(available)}")
    return tuple(chosen or available)


def _shortened(plan: Plan) -> Plan:
    return replace(plan, **QUICK)


def _in_rounds(
    kind: str,
    plan: Plan,
    host: dict[str, Any],
    file: Path,
    goals: Callable[[Measured], list[Goal]],
    progress: Console,
) -> Measured:
    """Run the plan and write the file after every round. Raises `RunFailedError` if all runs failed."""

    def save(measured: Measured) -> None:
        write_json(file, _with_header(kind, host, measured.as_json(goals(measured))))

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


def _with_header(kind: str, host: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    return {"benchmark": kind, "commit": machine.commit(REPOSITORY), "machine": host, **content}
