"""`partstream generated frozen` and `freeze`: make the frozen test set, and freeze another one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from commands.models.generated_errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, fail, readable_errors

FROZEN_EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage or another generator, 3 no body or motions in the cache, 130 stopped."
)
FREEZE_EPILOG = "Exit codes: 0 done, 1 failed, 2 usage, or the folder can't be frozen."


def frozen_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder that is empty or new, or where this was stopped.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes at work.", show_default="one a processor core")
    ] = None,
) -> None:
    """Draw the frozen test set, on which checkpoints are compared: the same videos to the last bit, every time.

    Refused where the generator's code has changed since it was frozen. Ctrl-C ends with the videos under way, a second
    one sooner; what is whole is kept, and the same command goes on from there.
    """
    from rich.console import Console

    complaints = Console(stderr=True, highlight=False, soft_wrap=True)
    with readable_errors(complaints):
        from training.console.progress_bar import progress_bar
        from training.console.stopping import stopped_by_signals
        from training.synthetic.scoring.frozen_set import CURRENT, read_frozen_set

        frozen = read_frozen_set(CURRENT)
        try:
            from training.synthetic.scoring.frozen_plan import plan_of
            from training.synthetic.videos.folder import GeneratedFolder, GenerateError
        except ImportError as error:  # the extra that drawing needs; it says which
            fail(str(error), EXIT_FAILED, complaints)
        try:
            plan = plan_of(frozen)
            place = GeneratedFolder(out, plan, resume=True)
            with progress_bar("drawing videos") as progress, stopped_by_signals() as stopped:
                manifest = place.make(workers or os.cpu_count() or 1, progress, stopped)
        except GenerateError as error:
            fail(str(error), EXIT_USAGE, complaints)
        except KeyboardInterrupt:  # a second one: the first ends with the videos under way
            complaints.print("stopped at once; whole videos are kept, and the same command goes on with the others")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    made = len(manifest.videos)
    Console(highlight=False, soft_wrap=True).print(f"{made} videos of {CURRENT} are in {out}", markup=False)
    if made < plan.videos:
        complaints.print(f"stopped; {plan.videos - made} videos are missing, and the same command goes on with them")
        raise typer.Exit(EXIT_INTERRUPTED)


def freeze_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `data generate --split test --per-action K` made.")
    ],
    version: Annotated[int, typer.Option(min=1, help="Which version of the test set this becomes.")] = 1,
) -> None:
    """Freeze a generated test set: keep its seed, settings and the hash of its code as `training/held_out/…json`.

    For those who change the generator. The file belongs in version control; the videos don't: `frozen` makes them.
    """
    from rich.console import Console

    with readable_errors(Console(stderr=True, highlight=False, soft_wrap=True)):
        from training.synthetic.scoring.frozen_set import freeze, write_frozen_set
        from training.synthetic.scoring.known_videos import read_test_set

        path = write_frozen_set(freeze(read_test_set(folder), version))
    Console(highlight=False, soft_wrap=True).print(f"wrote {path}", markup=False)
