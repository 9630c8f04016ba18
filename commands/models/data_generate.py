"""`partstream data generate`: makes data sets of drawn people."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from training.synthetic.videos.manifest import Manifest

# Heavy imports (av, numba, numpy) happen inside the command, so that help and mistakes answer at once.

EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage, 3 no body or motions in the cache, 130 stopped. "
    "Example:  partstream data generate drawn --per-action 40 --seed 1"
)
EXIT_FAILED, EXIT_USAGE, EXIT_WEIGHTS, EXIT_INTERRUPTED = 1, 2, 3, 130


class Half(StrEnum):
    """Which half of a data set."""

    train = "train"
    test = "test"


def generate_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty or new.")],
    split: Annotated[
        Half, typer.Option(help="test: people and motions that training never sees, and other cameras.")
    ] = Half.train,
    videos: Annotated[int | None, typer.Option(min=1, help="How many; actions take turns.", show_default="24")] = None,
    per_action: Annotated[int | None, typer.Option(min=1, help="How many of each action, instead of --videos.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same videos, however many.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes at work.", show_default="one a processor core")
    ] = None,
    actions: Annotated[
        str | None, typer.Option(metavar="NAME,NAME…", help="Only these.", show_default="all actions")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the videos that are in DIR, make the others.")] = False,
) -> None:
    """Draw videos of people with their whole truth, in the Kinetics-TPS layout. Ctrl-C leaves what is whole."""
    from rich.console import Console

    from stages.third_party.weights import WeightsError
    from training.console.progress_bar import progress_bar
    from training.console.stopping import stopped_by_signals
    from training.kinetics_tps import DatasetError

    if videos is not None and per_action is not None:
        _fail("give --videos or --per-action, not both", EXIT_USAGE)
    try:
        from training.synthetic.motion.movement import ACTIONS
        from training.synthetic.videos.folder import GeneratedFolder, GenerateError, Plan
        from training.synthetic.videos.manifest import ManifestError
        from training.synthetic.videos.sheet import save_sheet
    except ImportError as error:
        _fail(str(error), EXIT_FAILED)
    console = Console(highlight=False, soft_wrap=True)
    chosen = tuple(name.strip() for name in actions.split(",")) if actions is not None else ACTIONS
    count = videos if videos is not None else (per_action or 1) * len(chosen)
    began = time.monotonic()
    try:
        place = GeneratedFolder(folder, Plan(split.value, count, seed, chosen), resume=resume)
        with progress_bar("drawing videos") as progress, stopped_by_signals() as stopped:
            manifest = place.make(workers or os.cpu_count() or 1, progress, stopped)
        save_sheet(folder, manifest)
    except WeightsError as error:
        _fail(str(error), EXIT_WEIGHTS)
    except (GenerateError, ManifestError) as error:
        _fail(str(error), EXIT_USAGE)
    except DatasetError as error:
        _fail(str(error), EXIT_FAILED)
    _show(console, folder, manifest, time.monotonic() - began)
    if len(manifest.videos) < count:
        console.print(f"stopped; {count - len(manifest.videos)} videos are missing, and --resume goes on with them")
        raise typer.Exit(EXIT_INTERRUPTED)


def _show(console: Console, folder: Path, manifest: Manifest, seconds: float) -> None:
    from rich.table import Table

    table = Table("action")
    for words in ("videos", "frames", "people a video", "unseen motion"):
        table.add_column(words, justify="right")
    for action in dict.fromkeys(video.action for video in manifest.videos):
        of_it = [video for video in manifest.videos if video.action == action]
        people = sum(video.people for video in of_it) / len(of_it)
        unseen = "yes" if all(video.unseen_motion for video in of_it) else "no"
        frames = sum(video.frames for video in of_it)
        table.add_row(action, str(len(of_it)), str(frames), f"{people:.1f}", unseen)
    console.print(table)
    frames = sum(video.frames for video in manifest.videos)
    console.print(
        f"{len(manifest.videos)} {manifest.split} videos, {frames} frames, are in {folder} after {seconds:.0f} s; "
        "contact-sheet.jpg shows some",
        markup=False,
    )


def _fail(message: str, code: int) -> NoReturn:
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]partstream:[/] {escape(message)}")
    raise typer.Exit(code)
