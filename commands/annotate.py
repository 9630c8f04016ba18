"""`partstream annotate`: draws results on their video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.ending import console, errors


def annotate_command(
    video: Annotated[Path, typer.Argument(help="The video that was analysed.")],
    results: Annotated[Path, typer.Argument(help="What `run --results` wrote for it.")],
    out: Annotated[Path, typer.Argument(help="The MP4 to write.")],
    camera: Annotated[str | None, typer.Option(help="Which camera's results, if they are of several.")] = None,
) -> None:
    """Draw results on their video: people, parts coloured by relevance, states, the action and its reasons."""
    from stream.annotation.annotate import annotate_file

    with errors():
        annotate_file(video, results, out, console, camera=camera)
