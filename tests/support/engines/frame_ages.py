"""Ages: how old frames are when their results are published."""

from __future__ import annotations

import asyncio
import statistics

from support.waiting import until
from telemetry.observer import Observer


class Ages(Observer):
    """Frames' ages when they were published, seconds."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        self.seen.append(age_seconds)

    async def p99(self, seconds: float) -> float:
        """Of the frames of this time."""
        self.seen = []
        await asyncio.sleep(seconds)
        return statistics.quantiles(self.seen, n=100)[98]

    async def median(self, frames: int) -> float:
        """Of the next ones."""
        self.seen = []
        await until(lambda: len(self.seen) >= frames)
        return statistics.median(self.seen)
