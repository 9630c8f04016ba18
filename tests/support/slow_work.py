"""Work that takes time, for tests of what happens meanwhile. It synchronises nothing; `support.waiting` does."""

from __future__ import annotations

import asyncio
import time


def slow_work(seconds: float) -> None:
    """Stand in for a computation that takes this long and leaves the interpreter to other threads."""
    time.sleep(seconds)


async def pace(seconds: float) -> None:
    """Keep a source of messages or pictures at its rate."""
    await asyncio.sleep(seconds)
