"""Watching what is published: the live table in a terminal, or the messages themselves as JSON lines.

Owns the terminal's live display while it runs; ends with its messages or when it is cancelled.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterable
from contextlib import suppress

import msgspec
from rich.console import Console
from rich.live import Live

from commands.console.live_table import LiveTable
from stream.results import Message

REFRESH_S = 0.25
"""Four times a second is as often as a person reads, and costs next to nothing."""


async def watch(messages: AsyncIterable[Message], raw: bool, console: Console) -> int:
    """Show messages, as a table or raw, until they end or it is cancelled; the exit code."""
    if not raw:
        await show_table(messages, console)
        return 0
    encoder = msgspec.json.Encoder()
    with suppress(BrokenPipeError):  # `… | head` has seen enough
        async for message in messages:
            sys.stdout.buffer.write(encoder.encode(message) + b"\n")
            sys.stdout.buffer.flush()
    return 0


async def show_table(messages: AsyncIterable[Message], console: Console) -> None:
    """Keep the live table up to date with these messages until they end."""
    table = LiveTable()

    async def read() -> None:
        async for message in messages:
            table.add(message)

    reading = asyncio.create_task(read(), name="live table")
    try:
        with Live(table, console=console, auto_refresh=False, vertical_overflow="crop") as live:
            while not reading.done():
                live.refresh()
                await asyncio.wait({reading}, timeout=REFRESH_S)
            live.refresh()
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
