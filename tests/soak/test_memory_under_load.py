"""Nothing that has gone is kept in the engine's memory: tracks, cameras, subscribers and viewers that never repeat.

`make soak` runs these; their figures are written to build/benchmarks/memory.json. A load passes if the whole 95 %
interval of the slope over its second half is below a bound: less than any object of a track or subscriber takes, a
seventh of a small camera's ring, and for viewers a third of what their WebRTC sessions would take if they were kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.engine.memory.loads import LOADS
from benchmarks.engine.memory.recorded import record
from support.repository import REPOSITORY

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * 3600)]

RESULTS = REPOSITORY / "build" / "benchmarks" / "memory.json"
FLUCTUATES = 16
"""Threads, and descriptors, between two samples under load."""


async def figures_of(load: str, count: int, folder: Path) -> dict[str, Any]:
    figures = await LOADS[load](folder, count, print, {})
    record(RESULTS, figures)
    return figures


def bounded(figures: dict[str, Any], bytes_per_unit: float) -> None:
    """Check that the whole interval is below `bytes_per_unit`, and that threads and descriptors do not pile up."""
    assert figures["bytes_per_unit_interval"][1] < bytes_per_unit, figures
    for counted in ("threads", "descriptors"):
        before, after = figures[counted]
        assert after < before + FLUCTUATES, (counted, figures)


async def test_endless_tracks_are_not_kept_in_memory(tmp_path: Path) -> None:
    bounded(await figures_of("tracks", 100_000, tmp_path), bytes_per_unit=128)


async def test_cameras_that_were_removed_are_not_kept_in_memory(tmp_path: Path) -> None:
    figures = await figures_of("cameras", 20_000, tmp_path)
    bounded(figures, bytes_per_unit=32_768)
    assert figures["left"]["cameras listed"] == 0
    assert figures["left"]["series with a camera"] == 1, "that of the engine's own statistics, camera=''"


async def test_subscribers_that_left_are_not_kept_in_memory(tmp_path: Path) -> None:
    figures = await figures_of("subscribers", 40_000, tmp_path)
    bounded(figures, bytes_per_unit=128)
    assert figures["subscribers"]["without a message"] == 0


async def test_viewers_that_left_are_not_kept_in_memory(tmp_path: Path) -> None:
    figures = await figures_of("viewers", 3_600, tmp_path)
    assert figures["mib_per_hour_interval"][1] < 32, figures
    page = figures["page"]
    assert page["after"]["nodes"] < 2 * page["before"]["nodes"], page
    assert page["after"]["heap"] < 2 * page["before"]["heap"], page
