"""`partstream top`: watch a running engine in a terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.application import lines
from commands.ending import EXIT_USAGE, console, fail
from commands.until_signal import until_signal

EPILOG = lines("`partstream top`", "`partstream top https://10.0.0.5:9090 --token … --once`")


def top_command(
    engine: Annotated[str, typer.Argument(metavar="URL", help="The engine's HTTP server.")] = "http://127.0.0.1:9090",
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", envvar="PARTSTREAM_HTTP__READ_TOKEN", help="The engine's read token, needed off loopback."
        ),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.2, max=60, metavar="SECONDS", help="Interval between updates.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Measure one interval, print it, and end.")] = False,
) -> None:
    """Watch how a running engine performs.

    Shows rates, ages and drops of each camera, where the model spends its time, and memory.
    """
    from commands.top.engine_client import EngineClient, NoAnswerError
    from commands.top.watching import show_once, watch

    try:
        client = EngineClient(engine, token)
    except ValueError as error:
        fail(str(error), EXIT_USAGE)

    async def run() -> int:
        await (show_once if once else watch)(client, interval, console)
        return 0

    try:
        raise typer.Exit(until_signal(run()))
    except NoAnswerError as error:
        fail(str(error))
