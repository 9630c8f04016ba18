"""Commands that measure partstream and other programs on RTSP cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import machine, peers
from benchmarks.cameras.scenes import SCENES
from benchmarks.commands.options import RESULTS, JsonOption, QuickOption, consoles, size_of, with_header
from benchmarks.report import write_json
from benchmarks.rounds import Goal, Load, Measured, Plan, measure
from benchmarks.run_once import RunFailedError

CamerasOption = Annotated[list[int] | None, typer.Option(help="Cameras, e.g. 1 4 8.", show_default="1 4 8")]
RunsOption = Annotated[int, typer.Option(min=1, help="Alternating runs; use 9 or more for a reliable interval.")]
SecondsOption = Annotated[float, typer.Option(min=1, help="Seconds measured in each run.")]
AgainstOption = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Another checkout of partstream, measured in the same rounds."),
]


def engine(
    cameras: CamerasOption = None,
    runs: RunsOption = 9,
    seconds: SecondsOption = 8.0,
    contender: Annotated[list[str] | None, typer.Option(help=f"Measure only these: {', '.join(peers.ENGINE)}.")] = None,
    against: AgainstOption = None,
    transport: Annotated[str, typer.Option(help=f"Transport of partstream: {', '.join(peers.TRANSPORTS)}.")] = "auto",
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """CPU, lost frames and latency of the whole engine on RTSP cameras, with a model that does no work."""
    from benchmarks.engine import camera_bench

    if transport not in peers.TRANSPORTS:
        raise typer.BadParameter(f"unknown transport {transport!r}; available: {', '.join(peers.TRANSPORTS)}")
    loads = tuple(Load(count) for count in cameras or (1, 4, 8))
    names = _contenders(contender, peers.ENGINE, peers.ENGINE_AGAINST if against else ())
    plan = Plan(loads, names, runs, seconds, transport=transport, against=against)
    _in_rounds("engine", plan, quick, json, camera_bench.engine_goals)


def ingest(
    cameras: CamerasOption = None,
    runs: RunsOption = 9,
    seconds: SecondsOption = 5.0,
    contender: Annotated[list[str] | None, typer.Option(help=f"Measure only these: {', '.join(peers.INGEST)}.")] = None,
    against: AgainstOption = None,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Latency, CPU, lost frames and opening time from the camera to the decoded picture."""
    from benchmarks.engine import camera_bench

    names = _contenders(contender, peers.INGEST, peers.INGEST_AGAINST if against else ())
    plan = Plan(camera_bench.ingest_loads(cameras or (1, 4, 8)), names, runs, seconds, against=against)
    _in_rounds("ingest", plan, quick, json, camera_bench.ingest_goals)


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
    from benchmarks.engine import end_to_end_bench
    from benchmarks.engine.end_to_end_trial import EngineOptions, core_ids

    console, progress = consoles()
    if unknown := set(scene or ()) - set(SCENES):
        raise typer.BadParameter(f"unknown scene {sorted(unknown)}; available: {', '.join(SCENES)}")
    usable = len(core_ids())
    if cores and max(cores) > usable:
        raise typer.BadParameter(f"--cores {max(cores)}: this process may use {usable}")
    sizes = [size_of(one) for one in resolution or ()]
    plan = end_to_end_bench.EndToEndPlan(
        tuple(scene or SCENES),
        tuple(one for one in sizes if one) or end_to_end_bench.RESOLUTIONS,
        tuple(cores or (count for count in end_to_end_bench.CORES if count <= usable)),
        fps,
        most,
        runs,
        seconds,
        room=room,
        engine=EngineOptions(profile, size_of(size), config),
    )
    if quick:
        plan = replace(plan, resolutions=((1280, 720),), cores=(min(2, usable),), runs=1, seconds=10.0)
    host = machine.describe()
    file = json or RESULTS / f"end-to-end{'-quick' if quick else ''}.json"

    def save(measured: end_to_end_bench.EndToEndMeasured) -> None:
        write_json(file, with_header("end-to-end", host, measured.as_json()))

    progress.print(f"about {plan.duration_s / 60:.0f} min")
    try:
        measured = end_to_end_bench.measure(plan, progress.print, save)
    except ValueError as error:
        raise RunFailedError(str(error)) from None
    end_to_end_bench.print_end_to_end(measured, host, console)
    console.print(f"written to {file}")


def _contenders(chosen: list[str] | None, available: tuple[str, ...], again: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the contenders; those `again` are measured in another checkout, too."""
    unknown = set(chosen or []) - set(available)
    if unknown:
        raise typer.BadParameter(f"unknown contender {sorted(unknown)}; available: {', '.join(available)}")
    names = tuple(chosen or available)
    return (*names, *(f"{name}{peers.OTHER}" for name in names if name in again))


def _in_rounds(kind: str, plan: Plan, quick: bool, json: Path | None, goals: Callable[[Measured], list[Goal]]) -> None:
    """Run the plan, write the file after every round, and print the results."""
    from benchmarks.engine import camera_bench

    console, progress = consoles()
    plan = replace(plan, runs=2, seconds=3.0, warm_up_s=1.0) if quick else plan
    host = machine.describe()
    file = json or RESULTS / f"{kind}{'-quick' if quick else ''}.json"

    def save(measured: Measured) -> None:
        write_json(file, with_header(kind, host, measured.as_json(goals(measured))))

    progress.print(f"about {plan.duration_s / 60:.0f} min")
    measured = measure(plan, progress.print, save)
    if not any(run for runs in measured.runs.values() for run in runs):
        raise RunFailedError("nothing could be measured")
    camera_bench.print_cameras(measured, goals(measured), host, console)
    console.print(f"written to {file}")
