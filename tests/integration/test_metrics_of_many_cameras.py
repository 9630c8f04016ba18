"""Test of /metrics with 100 cameras: number of series, and removal of cameras."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from support.counted_calls import calls_during
from support.engines.controlled_engine import configured, running
from support.waiting import until
from telemetry.catalogue import METRICS
from telemetry.observer import Observer

CAMERAS = 100
GONE = 30
AS_PROMETHEUS_ASKS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
CALLS_A_SERIES = 30
"""Limit of function calls, 21 today. Unlike the time, their number does not depend on how busy the machine is."""
SERIES_A_CAMERA = 91
"""With recording, after one fault of each kind. Two histograms account for 36 of them."""


def names(numbers: Iterable[int]) -> list[str]:
    return [f"cam{number}" for number in numbers]


def report_every_fault(observer: Observer, camera: str) -> None:
    """Create the series that appear with faults only."""
    observer.unit_discarded(camera, "corrupt")
    observer.reconnecting(camera, "stalled")
    observer.transport_fallback(camera, "udp_silent")


def series_of(page: str) -> dict[str, int]:
    """Return the number of series per camera; those of the engine have the key ""."""
    counts: dict[str, int] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            camera = sample.labels.get("camera", "")
            counts[camera] = counts.get(camera, 0) + 1
    return counts


async def test_each_of_100_cameras_has_the_same_series_and_removed_cameras_have_none(tmp_path: Path) -> None:
    cameras = [{"id": name, "source": "pattern:64x64@2", "ring_slots": 2} for name in names(range(CAMERAS))]
    config = configured(*cameras, http={"max_cameras": CAMERAS}, recording={"directory": str(tmp_path)})
    async with running(config) as (engine, client):
        for name in names(range(CAMERAS)):
            report_every_fault(engine.observer, name)
        await until(lambda: all(camera.ring.processed for camera in engine.cameras.running.values()))
        status, _, headers = await client.ask("GET", "/metrics", headers={"Accept": AS_PROMETHEUS_ASKS})
        assert status == 200 and "openmetrics" in headers["Content-Type"]
        page = await client.get("/metrics")
        found = series_of(page)
        calls = calls_during(engine.metrics.render)
        assert calls < CALLS_A_SERIES * sum(found.values())
        assert sum(1 for spec in METRICS if "camera" in spec.labels) > 15
        assert {found[name] for name in names(range(CAMERAS))} == {SERIES_A_CAMERA}
        for name in names(range(GONE)):
            await engine.cameras.remove(name)
            report_every_fault(engine.observer, name)  # a late call from the camera's thread
        left = series_of(await client.get("/metrics"))
        assert set(left) == {"", *names(range(GONE, CAMERAS))}
        assert {left[name] for name in names(range(GONE, CAMERAS))} == {SERIES_A_CAMERA}
