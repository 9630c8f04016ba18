"""The command line of detector training: `python -m training.detector DIR --out FILE`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from training.picture_training.command_line import (
    BatchSize,
    Data,
    Device,
    HeldOutShare,
    LearningRate,
    Minutes,
    Seed,
    Steps,
    own_command,
    reporting,
)

detector_app = typer.Typer(add_completion=False)


class Optimiser(StrEnum):
    """Choices of `--optimiser`."""

    ADAMW = "adamw"
    SGD = "sgd"


@detector_app.command()
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
    optimiser: Annotated[Optimiser, typer.Option(help="adamw, or sgd as in the paper.")] = Optimiser.ADAMW,
    minutes: Minutes = None,
    seed: Seed = 0,
    device: Device = "auto",
    held_out_share: HeldOutShare = 0.1,
) -> None:
    """Train Cascade R-CNN on the people, parts and objects of annotated videos."""
    with reporting():
        from training.detector.detector_run import run_training
        from training.detector.detector_training import DetectorTraining

        figures = run_training(
            data,
            out,
            DetectorTraining(
                steps=steps, batch=batch, learning_rate=learning_rate, optimiser=optimiser.value, seed=seed
            ),
            narrow=narrow,
            start=start,
            half=half,
            device=device,
            minutes=minutes,
            held_out_share=held_out_share,
            command=own_command(),
        )
        typer.echo(f"{out}: mean AP50 {figures['mean_ap50']} on {figures['pictures']} held-out pictures")
