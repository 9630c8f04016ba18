"""How commands ask the coordinator: options, and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.ending import EXIT_USAGE, fail

if TYPE_CHECKING:
    from commands.fleet.client import CoordinatorClient

UrlOption = Annotated[str, typer.Option("--url", metavar="URL", help="The coordinator's HTTP server.")]
TokenOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN", envvar="PARTSTREAM_FLEET_TOKEN", help="The coordinator's token, needed off loopback."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:9095"


def ask(url: str, token: str | None, work: Callable[[CoordinatorClient], Awaitable[Any]]) -> Any:
    """Return what `work` does with a client. Ends the command if the coordinator refuses or does not answer."""
    from commands.fleet.client import CoordinatorClient, CoordinatorError

    try:
        client = CoordinatorClient(url, token)
    except ValueError as error:
        fail(str(error), EXIT_USAGE)

    async def run() -> Any:
        async with client:
            return await work(client)

    try:
        return asyncio.run(run())
    except CoordinatorError as error:
        fail(str(error))
