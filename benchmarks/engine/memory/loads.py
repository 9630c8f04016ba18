"""The loads by name: each runs in a folder, and returns the figures of the engine and of what else it watched."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.engine.memory import cameras, subscribers, tracks, viewer_hour
from benchmarks.engine.memory.growth import growth_of
from benchmarks.engine.memory.page_memory import PageMemory

Progress = Callable[[str], None]
Environment = Mapping[str, str]
Load = Callable[[Path, int, Progress, Environment], Coroutine[Any, Any, dict[str, Any]]]


async def _tracks(folder: Path, count: int, progress: Progress, environment: Environment) -> dict[str, Any]:
    samples = await tracks.run(folder, count, progress, environment)
    return growth_of(f"{count:,} tracks, edge", "track", samples).to_dict()


async def _cameras(folder: Path, count: int, progress: Progress, environment: Environment) -> dict[str, Any]:
    samples, left = await cameras.run(folder, count, progress, environment)
    return {**growth_of(f"{count:,} cameras added and removed", "camera", samples).to_dict(), "left": left}


async def _subscribers(folder: Path, count: int, progress: Progress, environment: Environment) -> dict[str, Any]:
    samples, did = await subscribers.run(folder, count, progress, environment)
    return {**growth_of(f"{count:,} subscribers", "subscriber", samples).to_dict(), "subscribers": did}


async def _viewers(folder: Path, count: int, progress: Progress, environment: Environment) -> dict[str, Any]:
    samples, pages, did = await viewer_hour.run(folder, count, progress, environment)
    return {
        **growth_of(f"{round(count / 60)} minutes of all viewers", "visit", samples).to_dict(),
        "page": _halves(pages),
        **did,
    }


def _halves(pages: Sequence[PageMemory]) -> dict[str, Any]:
    """Return what the live page held halfway through the run and at its end."""
    return {"before": asdict(pages[len(pages) // 2]), "after": asdict(pages[-1])}


LOADS: dict[str, Load] = {
    "tracks": _tracks,
    "cameras": _cameras,
    "subscribers": _subscribers,
    "viewers": _viewers,
}
