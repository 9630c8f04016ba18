"""What the command lines of detector and extractor training share: options, log lines, errors and exit codes."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

EXIT_FAILED, EXIT_USAGE = 1, 2
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


@contextmanager
def reporting() -> Generator[None]:
    """Log progress to the terminal, and end with a message and exit code for errors that a user can act on."""
    from stages.detection.detector import DetectorError
    from stages.third_party.weights import WeightsError
    from training.picture_training.optimisation import PictureTrainingError

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        yield
    except ValueError as error:  # also DatasetError
        fail(str(error), EXIT_USAGE)
    except (DetectorError, WeightsError, PictureTrainingError, ImportError) as error:
        fail(str(error), EXIT_FAILED)


def fail(message: str, code: int) -> NoReturn:
    """Print an error and end with this exit code."""
    typer.echo(f"partstream: {message}", err=True)
    raise typer.Exit(code)


def own_command() -> str:
    """Return the command line that was given, without the machine's folders."""
    program = Path(sys.argv[0])
    own = ["python", "-m", f"training.{program.parent.name}"] if program.name == "__main__.py" else ["partstream"]
    return shlex.join([*own, *(Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])])
