"""The only place of the chaos harness that lets time pass: it disturbs an engine for as long as it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

POLL_S = 0.2


def now() -> float:
    """Return the time in seconds, which steps of the machine's clock do not change."""
    return time.monotonic()


async def pause(seconds: float) -> None:
    """Let a number of seconds pass."""
    await asyncio.sleep(seconds)


async def within(seconds: float, condition: Callable[[], Any | Awaitable[Any]]) -> float | None:
    """Wait until the condition is true, and return how long that took; None if it took longer than allowed."""
    begun = time.monotonic()
    while True:
        value = condition()
        if await value if isinstance(value, Awaitable) else value:
            return time.monotonic() - begun
        if time.monotonic() - begun > seconds:
            return None
        await asyncio.sleep(POLL_S)
