"""`partstream demo`: real footage over a real RTSP server, shown and summarised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.ending import console


def demo_command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output directory.")] = Path("demo_out"),
    seconds: Annotated[float, typer.Option(min=3, metavar="N", help="Seconds of footage for each camera.")] = 30.0,
) -> None:
    """See it work without a camera.

    Serves real footage over RTSP, and shows a live table, an annotated video and a summary.
    """
    from commands.demo import show as demonstration
    from telemetry import logs

    logs.configure(json=False, level="warning")
    raise typer.Exit(demonstration.show(out, seconds, console))
