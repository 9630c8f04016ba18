"""Watching what is published: the live table in a terminal, or the messages themselves as JSON lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterable
from contextlib import suppress

import msgspec
from rich.console import Console
from rich.live import Live

from commands.console.live_table import LiveTable
from commands.ending import error_console
from stream.results import Message

REFRESH_S = 0.25
"""Interval between two drawings of the table."""
SILENT_AFTER_S = 3.0
"""An engine publishes its statistics every second, whatever its cameras do."""


async def watch(
    messages: AsyncIterable[Message],
    raw: bool,
    console: Console,
    endpoint: str,
    silent_after_s: float = SILENT_AFTER_S,
) -> int:
    """Show messages, as a table or raw, until they end or it is cancelled. Return the exit code.

    If no message has come from `endpoint` after `silent_after_s`, this is reported and the wait continues.
    """
    if not raw:
        await show_table(messages, console, endpoint, silent_after_s)
        return 0
    reminder = asyncio.get_running_loop().call_later(silent_after_s, _print_silence, endpoint)
    encoder = msgspec.json.Encoder()
    try:
        with suppress(BrokenPipeError):  # the reader of a pipe, such as `head`, has ended
            async for message in messages:
                reminder.cancel()
                sys.stdout.buffer.write(encoder.encode(message) + b"\n")
                sys.stdout.buffer.flush()
    finally:
        reminder.cancel()
    return 0


async def show_table(
    messages: AsyncIterable[Message],
    console: Console,
    endpoint: str = "",
    silent_after_s: float = SILENT_AFTER_S,
) -> None:
    """Keep the live table up to date with these messages until they end."""
    table = LiveTable()
    reminder: asyncio.TimerHandle | None = None

    def remind() -> None:
        # Without a terminal the table is drawn only once, at the end.
        if console.is_terminal:
            table.set_hint(silence(endpoint))
        else:
            _print_silence(endpoint)

    if endpoint:
        reminder = asyncio.get_running_loop().call_later(silent_after_s, remind)

    async def read() -> None:
        async for message in messages:
            if reminder is not None:
                reminder.cancel()
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
        if reminder is not None:
            reminder.cancel()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def silence(endpoint: str) -> str:
    """Return what to tell a user when no message has come from `endpoint`."""
    return (
        f"Nothing answers at {endpoint} yet. Is an engine running (`partstream run`), and is this its address? "
        "An engine with CURVE keys needs --server-key and --key-file. Still waiting …"
    )


def _print_silence(endpoint: str) -> None:
    error_console.print(silence(endpoint), markup=False)
