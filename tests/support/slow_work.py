"""Work that takes time, for tests of what happens meanwhile. To wait for something, use `support.waiting`."""

from __future__ import annotations

import asyncio
import time


def slow_work(seconds: float) -> None:
    """Stand in for a computation that takes this long and leaves the interpreter to other threads."""
    time.sleep(seconds)


async def pace(seconds: float) -> None:
    """Wait between two messages or pictures of a source."""
    await asyncio.sleep(seconds)
