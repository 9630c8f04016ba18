"""`partstream footage confusion`: draw the confusion matrix of scored sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.application import lines
from commands.ending import EXIT_USAGE, exiting, fail, plain_console, printable
from commands.extra_packages import install_command
from stream import output_file

EPILOG = lines(
    "`partstream footage score --data data --json scores.json`",
    "`partstream footage confusion scores.json --out confusion.png --sets coffee-room,gestures-learn`",
    "Exit codes: 0 done, 2 usage or a file that can't be read or written",
)


def confusion_command(
    scores: Annotated[
        Path, typer.Argument(metavar="SCORES.json", help="A file of `footage score --data DIR --json FILE`.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="The picture; an existing file is replaced.")],
    sets: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME…", help="Draw these sets, added up.", show_default="all sets of videos of the file"
        ),
    ] = None,
) -> None:
    """Draw which action was predicted for the frames of each labelled action."""
    from training.scoring.film_sets import ScoringError
    from training.scoring.score_files import read_score_file
    from training.sources.terms import DataFolderError

    if out.suffix.lower() != ".png":
        fail(f"--out {out}: the picture is a PNG file; its name must end with .png", EXIT_USAGE)
    names = None if sets is None else [name.strip() for name in sets.split(",") if name.strip()]
    if names == []:
        fail("--sets names no set; leave it out to draw all sets of videos", EXIT_USAGE)
    with exiting({ScoringError: EXIT_USAGE, DataFolderError: EXIT_USAGE}):
        file = read_score_file(scores)
        table = file.table(names)
    try:
        from training.scoring.confusion_pictures import confusion_png
    except ImportError:
        fail(f"drawing needs matplotlib, which is missing. Install it: {install_command('train')}", EXIT_USAGE)
    picture = confusion_png(table, f"{file.profile} ({file.weights[:19]}…)")
    try:
        with output_file.replacing(out, [scores]) as unfinished:
            unfinished.write_bytes(picture)
    except OSError as error:
        fail(f"--out {out}: can't be written ({error.strerror or error})", EXIT_USAGE)
    sets_drawn, frames = ", ".join(table.names), int(table.counts.sum())
    words = f"wrote {out}: {sets_drawn} ({table.counted} {frames:,}, labels {len(table.labels)})"
    plain_console.print(printable(words), markup=False, soft_wrap=True)
