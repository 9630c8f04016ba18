"""`partstream subscribe`: watch what an engine publishes."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.application import lines
from commands.ending import EXIT_USAGE, console, fail
from commands.options import LOCAL, CamerasOption, Endpoint, KeyFileOption, ServerKeyOption, endpoint_to_connect_to
from commands.until_signal import until_signal

EPILOG = lines(
    "`partstream subscribe`",
    "`partstream subscribe 10.0.0.5:5555 --camera door --raw`",
    "`partstream subscribe fleet://10.0.0.5:5571`",
)


def subscribe_command(
    endpoint: Endpoint = LOCAL,
    camera: CamerasOption = None,
    replay: Annotated[
        str | None, typer.Option(metavar="ENDPOINT", help="The engine's replay endpoint, to fill gaps from.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print messages as JSON lines instead.")] = False,
    server_key: ServerKeyOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Watch the results of a running engine, or of a fleet.

    Shows a live table, or prints the messages as JSON lines. Needs access to the engine's ZeroMQ port.
    """
    endpoint = endpoint_to_connect_to(endpoint)
    replay = endpoint_to_connect_to(replay) if replay is not None else None
    from commands.console.watch import watch
    from stream.subscriber import KINDS, subscribe

    try:
        messages = subscribe(
            endpoint, kinds=KINDS, cameras=camera, replay=replay, server_key=server_key, key_file=key_file
        )
    except ValueError as error:
        fail(str(error), EXIT_USAGE)
    raise typer.Exit(until_signal(watch(messages, raw, console, endpoint, camera or ())))
