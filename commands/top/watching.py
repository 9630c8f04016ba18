"""Watching an engine: continuously, or for one interval."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.live import Live

from commands.top.engine_client import EngineClient, NoAnswerError, UnauthorisedError
from commands.top.screen import Screen


async def show_once(client: EngineClient, interval_s: float, console: Console) -> None:
    """Measure one interval and print it. Raises `NoAnswerError`."""
    screen = Screen(client.address)
    async with client:
        screen.show(await client.snapshot())
        await asyncio.sleep(interval_s)
        screen.show(await client.snapshot())
    console.print(screen)


async def watch(client: EngineClient, interval_s: float, console: Console) -> None:
    """Show the engine until cancelled, including after its restarts. Raises `UnauthorisedError` if it needs a token."""
    screen = Screen(client.address)
    async with client:
        # The alternate screen follows the terminal's size, and the previous content comes back at the end.
        with Live(screen, console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                live.refresh()
                try:
                    screen.show(await client.snapshot())
                except UnauthorisedError:
                    raise
                except NoAnswerError as error:
                    screen.set_error(str(error))
                live.refresh()
                await asyncio.sleep(interval_s)
