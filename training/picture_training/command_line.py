"""The command lines of `partstream train detector` and `partstream train extractor`."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

HELD_OUT_FRAMES = 8
"""Frames of each held-out video in the reported figures."""

Data = Annotated[Path, typer.Argument(metavar="DIR", help="Annotated videos in the Kinetics-TPS layout.")]
Steps = Annotated[int, typer.Option(min=1, help="Steps of the optimiser.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Pictures per step.")]
LearningRate = Annotated[float, typer.Option(min=0, help="Peak learning rate.")]
Minutes = Annotated[float | None, typer.Option(min=0, help="End after this time and save the result.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")]
HeldOutShare = Annotated[
    float, typer.Option(min=0, max=0.9, help="Share of each class's videos held out for the reported figures.")
]


def own_command() -> str:
    """Return the command line that was given, without the machine's folders."""
    return shlex.join(["partstream", *(Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])])


def train_detector_command(
    data: Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The detector to write.")] = Path(
        "runs/detector.safetensors"
    ),
    narrow: Annotated[
        bool, typer.Option(help="A thirtieth of the paper's multiplications, for small data sets and for CPUs.")
    ] = True,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Begin with this detector's weights.")
    ] = None,
    half: Annotated[bool, typer.Option(help="Write 16-bit weights, for half the file size.")] = False,
    steps: Steps = 1000,
    batch: BatchSize = 8,
    learning_rate: LearningRate = 1e-3,
    optimiser: Annotated[Literal["adamw", "sgd"], typer.Option(help="adamw, or sgd as in the paper.")] = "adamw",
    minutes: Minutes = None,
    seed: Seed = 0,
    device: Device = "auto",
    held_out_share: HeldOutShare = 0.1,
) -> None:
    """Train Cascade R-CNN on the people, parts and objects of annotated videos."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from training.picture_training.detector import DetectorTraining, run_training

    figures = run_training(
        data,
        out,
        DetectorTraining(steps=steps, batch=batch, learning_rate=learning_rate, optimiser=optimiser, seed=seed),
        narrow=narrow,
        start=start,
        half=half,
        device=device,
        minutes=minutes,
        held_out_share=held_out_share,
        command=own_command(),
    )
    typer.echo(f"{out}: mean AP50 {figures['mean_ap50']} on {figures['pictures']} held-out pictures")


def train_extractor_command(
    data: Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The weights to write.")] = Path(
        "runs/features.safetensors"
    ),
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME|FILE", help="Begin with these weights: vgg16, or a file of a VGG-16."),
    ] = None,
    channels: Annotated[
        int, typer.Option(min=1, max=64, help="With random weights, channels of the first layers.")
    ] = 8,
    hidden: Annotated[int, typer.Option(min=1, max=4096, help="With random weights, length of a feature.")] = 128,
    steps: Steps = 2000,
    batch: BatchSize = 12,
    learning_rate: LearningRate = 2e-3,
    minutes: Minutes = None,
    seed: Seed = 0,
    device: Device = "auto",
    held_out_share: HeldOutShare = 0.1,
) -> None:
    """Train, on annotated boxes, the VGG-16 that reads regions. Give its file as model.vgg.weights."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from training.picture_training.extractor import ExtractorTraining, run_training

    figures = run_training(
        data,
        out,
        ExtractorTraining(steps=steps, batch=batch, learning_rate=learning_rate, seed=seed),
        start=start,
        sizes=(channels, hidden),
        device=device,
        minutes=minutes,
        held_out_share=held_out_share,
    )
    shares = ", ".join(
        f"{name} {figure['right']} (the most frequent answer {figure['most_frequent']})"
        for name, figure in figures.items()
        if name != "boxes"
    )
    typer.echo(f"{out}: correct on {figures['boxes']} held-out boxes: {shares}")
