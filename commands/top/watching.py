"""Watching: looks at an engine again and again and shows it, for as long as it takes; or twice, and once shown."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.live import Live

from commands.top.engine_client import EngineClient, NoAnswerError, Refusal
from commands.top.screen import Screen


async def show_once(client: EngineClient, interval_s: float, console: Console) -> None:
    """Print what happened within one interval. Raises `NoAnswerError`."""
    screen = Screen(client.address)
    async with client:
        screen.show(await client.look())
        await asyncio.sleep(interval_s)
        screen.show(await client.look())
    console.print(screen)


async def watch(client: EngineClient, interval_s: float, console: Console) -> None:
    """Show the engine until cancelled; one that restarts is found again. Raises `Refusal` if it wants a token."""
    screen = Screen(client.address)
    async with client:
        # On a screen of its own it follows the terminal's size, and what was there before comes back at the end.
        with Live(screen, console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                live.refresh()
                try:
                    screen.show(await client.look())
                except Refusal:
                    raise
                except NoAnswerError as error:
                    screen.trouble(str(error))
                live.refresh()
                await asyncio.sleep(interval_s)
