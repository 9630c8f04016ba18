"""The command line of extractor training: `python -m training.extractor DIR --out FILE`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED, EXIT_USAGE = 1, 2
_REPORTED = 8
"""Frames of each held-out video that the figures are of."""

extractor_app = typer.Typer(add_completion=False)


@extractor_app.command()
def train_extractor_command(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Annotated videos in the Kinetics-TPS layout.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The weights to write.")] = Path(
        "runs/features.safetensors"
    ),
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME|FILE", help="Begin with these weights: vgg16, or a file of a VGG-16."),
    ] = None,
    channels: Annotated[int, typer.Option(min=1, max=64, help="Of the first layers, of random weights.")] = 8,
    hidden: Annotated[int, typer.Option(min=1, max=4096, help="Length of a feature, of random weights.")] = 128,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimiser.")] = 2000,
    batch: Annotated[int, typer.Option(min=1, help="Pictures a step.")] = 12,
    learning_rate: Annotated[float, typer.Option(min=0, help="The greatest one, of AdamW.")] = 2e-3,
    minutes: Annotated[float | None, typer.Option(min=0, help="End after so long, with what there is.")] = None,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "auto",
    held_out_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of each class's videos that the figures are of.")
    ] = 0.1,
) -> None:
    """Train the VGG-16 that regions are read with on annotated boxes; model.vgg.weights then names the file."""
    from stages.third_party.weights import WeightsError
    from training.extractor.run import run_training
    from training.extractor.train import ExtractorTraining
    from training.kinetics_tps import DatasetError

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = ExtractorTraining(steps=steps, batch=batch, learning_rate=learning_rate, seed=seed)
    try:
        figures = run_training(
            data, out, settings, start, (channels, hidden), device=device, minutes=minutes,
            held_out_share=held_out_share, each_video=_REPORTED,
        )  # fmt: skip
    except DatasetError as error:
        _fail(str(error), EXIT_USAGE)
    except (WeightsError, ValueError) as error:
        _fail(str(error), EXIT_FAILED)
    else:
        said = ", ".join(
            f"{name} {figure['right']} (the most frequent answer {figure['most_frequent']})"
            for name, figure in figures.items()
            if name != "boxes"
        )
        typer.echo(f"{out}: of {figures['boxes']} boxes that weren't trained on, right: {said}")


def _fail(message: str, code: int) -> None:
    typer.echo(f"partstream: {message}", err=True)
    raise typer.Exit(code)
