"""The command line of extractor training: `python -m training.extractor DIR --out FILE`."""

from __future__ import annotations

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
    reporting,
)

extractor_app = typer.Typer(add_completion=False)


@extractor_app.command()
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
    with reporting():
        from training.extractor.extractor_run import run_training
        from training.extractor.extractor_training import ExtractorTraining

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
