"""The command line of detector training: `python -m training.detector DIR --out FILE`."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED, EXIT_USAGE = 1, 2
_REPORTED = 8
"""Frames of each held-out video that the figures are of."""

detector_app = typer.Typer(add_completion=False)


@detector_app.command()
def train_detector_command(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Annotated videos in the Kinetics-TPS layout.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The detector to write.")] = Path(
        "runs/detector.safetensors"
    ),
    narrow: Annotated[
        bool, typer.Option(help="A thirtieth of the paper's multiplications: for small sets, and CPUs.")
    ] = True,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Begin with this detector's weights.")
    ] = None,
    half: Annotated[bool, typer.Option(help="Write the weights in 16 bits: half the file.")] = False,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimiser.")] = 1000,
    batch: Annotated[int, typer.Option(min=1, help="Pictures a step.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="The greatest one.")] = 1e-3,
    optimiser: Annotated[str, typer.Option(help="adamw, or sgd as in the paper.")] = "adamw",
    minutes: Annotated[float | None, typer.Option(min=0, help="End after so long, with what there is.")] = None,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "auto",
    held_out_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of each class's videos that the figures are of.")
    ] = 0.1,
) -> None:
    """Train Cascade R-CNN on the people, parts and objects of annotated videos."""
    from stages.detection.cascade_rcnn.detector_model import DetectorError
    from training.detector.run import run_training
    from training.detector.train import DetectorTraining, DetectorTrainingError
    from training.kinetics_tps import DatasetError

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if optimiser not in ("adamw", "sgd"):
        _fail(f"--optimiser: {optimiser!r} is neither adamw nor sgd", EXIT_USAGE)
        return
    settings = DetectorTraining(steps=steps, batch=batch, learning_rate=learning_rate, optimiser=optimiser, seed=seed)
    # Names without the machine's folders.
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    command = shlex.join(["python", "-m", "training.detector", *words])
    try:
        figures = run_training(
            data, out, settings, narrow, start, device, minutes, held_out_share, command, _REPORTED, half
        )
    except (DatasetError, ValueError) as error:
        _fail(str(error), EXIT_USAGE)
    except (DetectorError, DetectorTrainingError, ImportError) as error:
        _fail(str(error), EXIT_FAILED)
    else:
        typer.echo(
            f"{out}: mean AP50 {figures['mean_ap50']} over {figures['pictures']} pictures that weren't trained on"
        )


def _fail(message: str, code: int) -> None:
    typer.echo(f"partstream: {message}", err=True)
    raise typer.Exit(code)
