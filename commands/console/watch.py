"""Watching what is published: the live table in a terminal, or the messages themselves as JSON lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterable, Callable, Collection
from contextlib import suppress

import msgspec
from rich.console import Console
from rich.live import Live

from commands.console.live_table import LiveTable
from commands.console.silence import not_running, silence
from commands.ending import error_console
from stream.results import Message, Stats
from stream.subscriber import FLEET

REFRESH_S = 0.25
"""Interval between two drawings of the table."""
SILENT_AFTER_S = 3.0
"""An engine publishes its statistics every second, whatever its cameras do."""
Show = Callable[[str], None]


async def watch(
    messages: AsyncIterable[Message],
    raw: bool,
    console: Console,
    endpoint: str,
    cameras: Collection[str] = (),
    silent_after_s: float = SILENT_AFTER_S,
) -> int:
    """Show messages, as a table or raw, until they end or it is cancelled. Return the exit code.

    If no message has come from `endpoint` after `silent_after_s`, or the engine, if it is one, does not run some of
    `cameras`, this is reported and the wait continues.
    """
    if not raw:
        await show_table(messages, console, endpoint, cameras, silent_after_s)
        return 0
    encoder = msgspec.json.Encoder()

    def write(message: Message) -> None:
        sys.stdout.buffer.write(encoder.encode(message) + b"\n")
        sys.stdout.buffer.flush()

    with suppress(BrokenPipeError):  # the reader of a pipe, such as `head`, has ended
        await _read(messages, write, endpoint, cameras, silent_after_s, _print, _print)
    return 0


async def show_table(
    messages: AsyncIterable[Message],
    console: Console,
    endpoint: str = "",
    cameras: Collection[str] = (),
    silent_after_s: float = SILENT_AFTER_S,
) -> None:
    """Keep the live table up to date with these messages until they end."""
    table = LiveTable(fleet=endpoint.startswith(FLEET))
    # Without a terminal the table is drawn only once, at the end.
    hint, note = (table.set_hint, table.set_note) if console.is_terminal else (_print, _print)
    reading = asyncio.create_task(
        _read(messages, table.add, endpoint, cameras, silent_after_s, hint, note), name="live table"
    )
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


async def _read(
    messages: AsyncIterable[Message],
    take: Callable[[Message], None],
    endpoint: str,
    cameras: Collection[str],
    silent_after_s: float,
    hint: Show,
    note: Show,
) -> None:
    """Hand on messages. Show a hint while none comes, and a note if the engine does not run some of the cameras."""

    async def remind() -> None:
        await asyncio.sleep(silent_after_s)
        hint(await silence(endpoint))

    noted, wanted = "", () if endpoint.startswith(FLEET) else cameras
    reminder = asyncio.create_task(remind(), name="reminder") if endpoint else None
    try:
        async for message in messages:
            if reminder is not None:
                reminder.cancel()
            if isinstance(message, Stats) and (text := not_running(wanted, message)) != noted:
                note(noted := text)
            take(message)
    finally:
        if reminder is not None:
            reminder.cancel()


def _print(text: str) -> None:
    if text:
        error_console.print(text, markup=False)
