"""Options, consoles and file headers that the benchmarks' commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import machine
from benchmarks.run_once import REPOSITORY

TABLE_WIDTH = 180
RESULTS = Path("build", "benchmarks")
"""Published figures are copied from here to benchmarks/results on purpose."""

JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Output file.", show_default=f"in {RESULTS}")
]
VideoOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Video to show.", show_default="street footage"),
]
QuickOption = Annotated[
    bool, typer.Option("--quick", metavar="", help="Short trial with too few runs for conclusions.")
]


def consoles() -> tuple[Console, Console]:
    """Return the consoles for tables (standard output, full width if it is no terminal) and for progress."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=TABLE_WIDTH), Console(
        stderr=True, highlight=False, soft_wrap=True
    )


def size_of(text: str | None) -> tuple[int, int] | None:
    """Return the width and height that an option gives as `WxH`. Raises `BadParameter`."""
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise typer.BadParameter(f"{text!r} is not WxH, for example 512x288")
    return int(width), int(height)


def with_header(kind: str, host: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Return a file's content after the name of its benchmark, the commit and the machine."""
    return {"benchmark": kind, "commit": machine.commit(REPOSITORY), "machine": host, **content}
