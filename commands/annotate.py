"""`partstream annotate`: draw results on their video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.ending import console


def annotate_command(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="The video that was analysed.")],
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="The file that `run --results` wrote.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The MP4 to write.")],
    camera: Annotated[str | None, typer.Option(metavar="ID", help="The camera, if the results are of several.")] = None,
    detector: Annotated[
        bool, typer.Option("--detector", help="Also show what the detector looked at in each frame.")
    ] = False,
) -> None:
    """Draw results on their video.

    Shows people, their parts coloured by relevance, part states and actions.
    """
    from stream.annotation.annotate import annotate_file

    annotate_file(video, results, out, console, camera=camera, detector=detector)
