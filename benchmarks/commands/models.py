"""Commands that measure the model without cameras: its cost, and what it finds and learns."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from benchmarks import machine
from benchmarks.commands.options import RESULTS, JsonOption, QuickOption, VideoOption, consoles, size_of, with_header
from benchmarks.report import write_json
from benchmarks.run_once import RunFailedError


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
    from benchmarks.model import model_bench

    console, progress = consoles()
    plan = model_bench.ModelPlan(
        profile,
        size_of(size),
        tuple(batch or ((1, 4) if quick else (1, 2, 4, 8))),
        tuple(threads or ((1,) if quick else (1, 2))),
        6 if quick else repeats,
        video,
    )
    host = machine.describe()
    file = json or RESULTS / f"model{'-quick' if quick else ''}.json"
    measured = model_bench.measure(plan, progress.print, time.perf_counter)
    write_json(file, with_header("model", host, measured.as_json()))
    model_bench.print_model(measured, host, console)
    console.print(f"written to {file}")


def paper(
    profile: Annotated[
        str, typer.Option(help="kinetics-tps, or the path of a checkpoint with a detector.")
    ] = "kinetics-tps",
    video: VideoOption = None,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras.")] = 4,
    pairs: Annotated[int, typer.Option(min=1, help="Alternating runs; use 9 or more for a reliable interval.")] = 9,
    batches: Annotated[int, typer.Option(min=1, help="Batches per run, with one frame of each camera.")] = 10,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of both contenders; 0 leaves one core free.")] = 0,
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """The paper's profile against a plain loop of mmdet's `inference_detector` and heads person by person."""
    from benchmarks.paper import paper_bench

    console, progress = consoles()
    plan = paper_bench.PaperPlan(profile, video, cameras, 2 if quick else pairs, 3 if quick else batches, threads)
    host = machine.describe()
    file = json or RESULTS / f"paper{'-quick' if quick else ''}.json"
    measured = paper_bench.measure(plan, progress.print)
    write_json(file, with_header("paper", host, measured.as_json()))
    paper_bench.print_paper(measured, host, console)
    console.print(f"written to {file}")


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
    people: Annotated[int, typer.Option(min=1, help="Drawn people, a third of each height.")] = 300,
    picture: Annotated[str, typer.Option(metavar="WxH", help="Size of drawn pictures, even.")] = "1280x720",
    quick: QuickOption = False,
    json: JsonOption = None,
) -> None:
    """Share of people who are found, wrong people, and CPU time of the model, by variants of its settings."""
    from benchmarks.model import found as found_bench

    console, progress = consoles()
    size = size_of(picture)
    if size is None or min(size) < 128 or any(side % 2 for side in size):
        raise typer.BadParameter(f"--picture {picture}: both sides must be even, and at least 128")
    try:
        variants = found_bench.variants_of(variant or ["default:"])
    except found_bench.VariantError as error:
        raise typer.BadParameter(f"--variant {error}") from None
    plan = found_bench.FoundPlan(tuple(variants), size, min(6, people) if quick else people)
    host = machine.describe()
    file = json or RESULTS / f"found{'-quick' if quick else ''}.json"

    def save(measured: found_bench.FoundMeasured) -> None:
        write_json(file, with_header("found", host, measured.as_json()))

    try:
        measured = found_bench.measure(plan, progress.print, save)
    except ValueError as error:
        raise RunFailedError(str(error)) from None
    found_bench.print_found(measured, host, console)
    console.print(f"written to {file}")
