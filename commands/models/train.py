"""The command line of `partstream train` and `train config`. Loads torch only once there is something to train."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from commands.application import Application

if TYPE_CHECKING:
    from training.settings.run_config import TrainingConfig

EXIT_FAILED, EXIT_USAGE, EXIT_WEIGHTS, EXIT_INTERRUPTED = 1, 2, 3, 130

train_app = Application(invoke_without_command=True)
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="YAML (`train config` prints one), or a checkpoint, whose configuration is taken. Options win over it.",
    ),
]


@train_app.callback(
    epilog="Examples:  partstream train --out runs/edge.safetensors   ·   partstream train --data films --out "
    "runs/mine.safetensors   ·   partstream train config > mine.yaml   ·   partstream train --config mine.yaml "
    "--minutes 20"
)
def train_command(
    context: typer.Context,
    config: ConfigOption = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Annotated videos in the Kinetics-TPS layout; without: generated motion."),
    ] = None,
    data_share: Annotated[
        float | None,
        typer.Option(
            metavar="0 to 1",
            help="Its share of each batch; 1: of its own actions, nothing generated.",
            show_default="0.5",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE|edge", help="Begin with this checkpoint's weights, or the shipped ones."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Which profile's model to train.", show_default="edge")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The checkpoint to write.")] = Path("runs/edge.safetensors"),
    steps: Annotated[int | None, typer.Option(help="Steps of the optimiser.", show_default="3000")] = None,
    seed: Annotated[int | None, typer.Option(help="Everything random follows from it.", show_default="0")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N or auto.", show_default="cpu")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="End after so long, with a checkpoint of what there is.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the training state beside --out.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that watch the videos of --data.", show_default="one a core")
    ] = None,
) -> None:
    """Train relevance, part states, part graph and action model on generated motion, annotated videos, or both. Ctrl-C
    ends it in order."""
    if context.invoked_subcommand is not None:
        return
    given = {"folder": None if data is None else str(data), "folder_share": data_share}
    folder = {name: value for name, value in given.items() if value is not None}
    settings = _load(config, start=start, profile=profile, steps=steps, seed=seed, device=device, data=folder)
    from rich.console import Console

    from commands.models.train_console import train_profile

    with _errors():
        outcome = train_profile(
            settings,
            out,
            console=Console(),
            file=config,
            resume=resume,
            minutes=minutes,
            workers=workers or os.cpu_count() or 1,
        )
    if outcome.ending == "interrupted":
        raise typer.Exit(EXIT_INTERRUPTED)


@train_app.command("config")
def config_command(
    config: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Check this YAML file or checkpoint, and print it whole.")
    ] = None,
) -> None:
    """Print the configuration of a training run with what each setting means; without a file, the defaults."""
    from training.settings.run_config import commented

    sys.stdout.write(commented(_load(config)))


def _load(path: Path | None, **options: Any) -> TrainingConfig:
    from training.settings.run_config import TrainingConfigError, load

    try:
        return load(path, {name: value for name, value in options.items() if value is not None})
    except TrainingConfigError as error:
        _fail(str(error), EXIT_USAGE)


@contextmanager
def _errors() -> Generator[None]:
    """Turns the errors that a user can do something about into a sentence and an exit code."""
    from stages.language.language_models import LanguageModelError
    from stages.third_party.weights import WeightsError
    from training.annotated_videos.sightings import SightingsFileError
    from training.kinetics_tps import DatasetError
    from training.run.learning.training_run import DivergedError, TrainingError
    from training.synthetic.motion.motion import MotionFormatError

    try:
        yield
    except (WeightsError, LanguageModelError, MotionFormatError) as error:
        _fail(str(error), EXIT_WEIGHTS)
    except (DivergedError, SightingsFileError) as error:
        _fail(str(error), EXIT_FAILED)
    except (TrainingError, DatasetError) as error:
        _fail(str(error), EXIT_USAGE)
    except KeyboardInterrupt:
        _fail("stopped; what was done is kept, and the same command goes on from there", EXIT_INTERRUPTED)


def _fail(message: str, code: int) -> NoReturn:
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]partstream:[/] {escape(message)}")
    raise typer.Exit(code)
