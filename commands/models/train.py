"""`partstream train`: train a checkpoint, a detector or an extractor. Imports torch only to train."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import training
from commands.application import Application, lines
from commands.ending import EXIT_INTERRUPTED, EXIT_USAGE, console, fail, stopping
from stages.runtimes.machine import usable_cores
from training.picture_training.command_line import train_detector_command, train_extractor_command

if TYPE_CHECKING:
    from training.settings.run_config import TrainingConfig

EDGE_OPEN = "edge-open"
OPEN_RECIPE = Path(training.__file__).parent / "configs" / f"{EDGE_OPEN}.yaml"
"""The configuration of `--profile edge-open` without --config."""
train_app = Application(invoke_without_command=True)
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="YAML (`train config` prints one), or a checkpoint, for its configuration. Options take precedence.",
    ),
]


@train_app.callback(
    epilog=lines(
        "`partstream train --out runs/edge.safetensors`",
        "`partstream train --from edge --data my_clips --out runs/mine.safetensors`",
        "`partstream train --from edge --data verdicts --out runs/mine.safetensors`",
        "`partstream train config > mine.yaml`",
        "`partstream train --config mine.yaml --minutes 20`",
    )
)
def train_command(
    context: typer.Context,
    config: ConfigOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Annotated videos in the Kinetics-TPS layout; or, with --from, a folder of short clips for each "
            "action, or the review page's folder of verdicts.",
            show_default="none",
        ),
    ] = None,
    recorded: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Data folder of recorded motion, filled by `partstream data import`.",
            show_default="none",
        ),
    ] = None,
    terms: Annotated[
        list[str] | None,
        typer.Option(
            metavar="open|none-stated|research|nc",
            help="Learn only from sources of --recorded with these terms; can be repeated.",
            show_default="all",
        ),
    ] = None,
    data_share: Annotated[
        float | None,
        typer.Option(
            metavar="0 to 1",
            help="Share of --data in each batch. 1 (annotated videos only): no generated motion, only their actions.",
            show_default="0.5; of clips 0.25",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE|edge|edge-open", help="Start from the weights of this checkpoint."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="edge, or edge-open: weights for any use.", show_default="edge")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The checkpoint to write.")] = Path("runs/edge.safetensors"),
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps of the optimiser.", show_default="3000; with clips 300")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of all random numbers.", show_default="0")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:N or auto.", show_default="cpu")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="N", help="End after this time, with a checkpoint.", show_default="none; with clips 10"
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the training state beside --out.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Processes that analyse the videos of --data.", show_default="one per core"
        ),
    ] = None,
) -> None:
    """Train a checkpoint, a detector or an extractor.

    Without a command, train a checkpoint: the models of part relevance, part states, part graph and actions. They learn
    from generated motion, and also from recorded motion (--recorded), annotated videos, example clips or verdicts
    (--data) if given. Ctrl-C ends the run and keeps its state.
    """
    if context.invoked_subcommand is not None:
        return
    given = _data(data, data_share)
    sources = {"folder": None if recorded is None else str(recorded), "terms": terms}
    given["recorded"] = {name: value for name, value in sources.items() if value is not None} or None
    folder = {name: value for name, value in given.items() if value is not None}
    if profile == EDGE_OPEN and config is None:
        config = OPEN_RECIPE
    settings = _load(config, start=start, profile=profile, steps=steps, seed=seed, device=device, data=folder)

    from commands.models.train_console import train_profile

    with stopping(_STOPPED):
        outcome = train_profile(
            settings,
            out,
            console=console,
            file=config,
            resume=resume,
            minutes=minutes,
            workers=workers or usable_cores(),
        )
    if outcome.ending == "interrupted":
        raise typer.Exit(EXIT_INTERRUPTED)


train_app.command("detector", epilog=lines("`partstream train detector DIR --half --out runs/detector.safetensors`"))(
    train_detector_command
)
train_app.command("extractor", epilog=lines("`partstream train extractor DIR --out runs/features.safetensors`"))(
    train_extractor_command
)


@train_app.command("config")
def config_command(
    config: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="YAML file or checkpoint to check and print in full.")
    ] = None,
) -> None:
    """Print a training configuration with the meaning of each setting; without a file, the defaults."""
    from training.settings.run_config import commented

    sys.stdout.write(commented(_load(config)))


def _load(path: Path | None, **options: Any) -> TrainingConfig:
    from training.settings.run_config import load

    return load(path, {name: value for name, value in options.items() if value is not None})


def _data(folder: Path | None, share: float | None) -> dict[str, Any]:
    """Return the settings under `data` for the options about --data, by the folder's layout."""
    if folder is not None:
        from training.sources.examples.example_clips import layout_of

        if not os.path.lexists(folder):
            fail(f"{folder}: there is no such folder; the review page makes one with the first verdict", EXIT_USAGE)
        layout = layout_of(folder)
        if layout != "annotated":
            given: dict[str, Any] = {"folder": str(folder), "share": share}
            return {layout: {name: value for name, value in given.items() if value is not None}}
    return {"folder": None if folder is None else str(folder), "folder_share": share}


_STOPPED = (
    "stopped; analysed videos and the last saved state are kept: repeat the command, with --resume if training had "
    "begun"
)
