"""`partstream subscribe`: watches what an engine publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.ending import EXIT_USAGE, console, errors, fail
from commands.until_signal import until_signal

EPILOG = "Example:  partstream subscribe tcp://127.0.0.1:5555 --camera door"


def subscribe_command(
    endpoint: Annotated[str, typer.Argument(help="Where an engine publishes.")] = "tcp://127.0.0.1:5555",
    camera: Annotated[list[str] | None, typer.Option("--camera", help="Only this camera; may be repeated.")] = None,
    replay: Annotated[str | None, typer.Option(help="The engine's replay endpoint: gaps are filled from it.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print messages as JSON lines instead.")] = False,
    server_key: Annotated[
        str | None,
        typer.Option(metavar="KEY|FILE", envvar="PARTSTREAM_SERVER_KEY", help="CURVE: the engine's public key."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="PARTSTREAM_KEY_FILE", help="CURVE: your own secret key.")
    ] = None,
) -> None:
    """Watch what an engine publishes: a live table, or the messages themselves."""
    from commands.console.watch import watch
    from stream.subscriber import KINDS, subscribe

    try:
        messages = subscribe(
            endpoint, kinds=KINDS, cameras=camera, replay=replay, server_key=server_key, key_file=key_file
        )
    except ValueError as error:
        fail(str(error), EXIT_USAGE)
    with errors():
        raise typer.Exit(until_signal(watch(messages, raw, console)))
