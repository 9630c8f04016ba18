"""`partstream generated frozen` and `freeze`: draw the frozen test set, and freeze another one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.ending import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, error_console, exiting, fail, plain_console
from commands.models.generated_errors import generated_errors
from stages.runtimes.machine import usable_cores

FROZEN_EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage or another generator, 3 no body or motions in the cache, 130 stopped."
)
FREEZE_EPILOG = "Exit codes: 0 done, 1 failed, 2 usage, or a folder that cannot be frozen."


def frozen_command(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="An empty or new folder, or one in which this command was stopped.")
    ],
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes.", show_default="one per core")
    ] = None,
) -> None:
    """Draw the frozen test set, on which checkpoints are compared: bit for bit the same videos every time.

    Refused if the generator's code has changed since. Ctrl-C ends after the videos in progress, a second Ctrl-C at
    once; complete videos are kept, and the same command continues from there.
    """
    with generated_errors():
        from training.console.progress_bar import progress_bar
        from training.console.stopping import stopped_by_signals
        from training.synthetic.scoring.frozen_set import CURRENT, read_frozen_set

        frozen = read_frozen_set(CURRENT)
        try:
            from training.synthetic.scoring.frozen_plan import plan_of
            from training.synthetic.videos.folder import GeneratedFolder, GenerateError
        except ImportError as error:  # its message names the extra that drawing needs
            fail(str(error), EXIT_FAILED)
        try:
            with exiting({GenerateError: EXIT_USAGE}):
                plan = plan_of(frozen)
                place = GeneratedFolder(out, plan, resume=True)
                with progress_bar("drawing videos") as progress, stopped_by_signals() as stopped:
                    manifest = place.make(workers or usable_cores(), progress, stopped)
        except KeyboardInterrupt:  # the second one: after the first, the videos in progress are completed
            error_console.print("stopped at once; complete videos are kept, and the same command makes the others")
            raise typer.Exit(EXIT_INTERRUPTED) from None
    made = len(manifest.videos)
    plain_console.print(f"{made} videos of {CURRENT} are in {out}", markup=False, soft_wrap=True)
    if made < plan.videos:
        error_console.print(f"stopped; {plan.videos - made} videos are missing, and the same command makes them")
        raise typer.Exit(EXIT_INTERRUPTED)


def freeze_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder made by `data generate --split test --per-action K`.")
    ],
    version: Annotated[int, typer.Option(min=1, metavar="N", help="Version of the test set that this becomes.")] = 1,
) -> None:
    """Freeze a generated test set: keep its seed, settings and code hash as `training/held_out/…json`.

    For developers of the generator. Commit the file, not the videos: `generated frozen` makes them again.
    """
    with generated_errors():
        from training.synthetic.scoring.frozen_set import freeze, write_frozen_set
        from training.synthetic.scoring.known_videos import read_test_set

        path = write_frozen_set(freeze(read_test_set(folder), version))
    plain_console.print(f"wrote {path}", markup=False, soft_wrap=True)
