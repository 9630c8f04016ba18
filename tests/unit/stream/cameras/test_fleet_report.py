"""What an engine of a fleet reports of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from stream import results
from stream.cameras.fleet_member import LEARNED, FleetReport
from stream.membership.messages import EngineReport
from telemetry.catalogue import SECONDS_BUCKETS
from telemetry.tally import Histogram


@dataclass
class Load:
    """The load of a model that works for `busy` seconds of each second."""

    batches: Histogram = field(default_factory=lambda: Histogram(SECONDS_BUCKETS))
    level: int = 0
    overloaded: bool = False

    def report(self) -> results.Load:
        return results.Load(self.level, 5, self.overloaded, None, None)


@dataclass(eq=False)
class Ring:
    policy: str = "latest"
    lost: int = 0

    def counts(self) -> Any:
        return type("Counts", (), {"dropped": {"overwritten": self.lost}})


@dataclass(eq=False)
class Camera:
    """A camera of 1000 × 1000 pixels."""

    fps: tuple[float, float] = (10.0, 10.0)
    ring: Ring = field(default_factory=Ring)
    ages: Histogram = field(default_factory=lambda: Histogram(SECONDS_BUCKETS))
    status: Any = field(default_factory=lambda: type("Status", (), {"size": (1000, 1000)}))


@dataclass
class Cameras:
    running: dict[str, Camera] = field(default_factory=lambda: {"lobby": Camera()})


def report_of(load: Load, cameras: Cameras) -> FleetReport:
    make: Any = FleetReport
    return make(cameras, None, load, EngineReport(100.0, 8))


def test_the_capacity_is_the_load_over_the_share_of_the_time_in_which_the_model_works() -> None:
    load, cameras = Load(), Cameras()
    report = report_of(load, cameras)
    assert report.engine(0.0).capacity == 100.0
    load.batches.observe(0.25)
    assert report.engine(0.5).capacity == 100.0, "not measured yet"
    assert report.engine(1.0).capacity == 40.0
    load.batches.observe(0.5)
    assert report.engine(2.0).capacity == pytest.approx(40 + LEARNED * (20 - 40))
    before = report.engine(3.0)
    assert before.capacity == pytest.approx(36.0), "a model that hardly works tells nothing"
    assert before.max_cameras == 8


def test_ages_drops_and_batches_are_those_since_the_last_report() -> None:
    load, cameras = Load(overloaded=True), Cameras()
    report = report_of(load, cameras)
    report.engine(0.0)
    (camera,) = cameras.running.values()
    report.engine(1.0)
    for _ in range(20):
        camera.ages.observe(0.09)
        load.batches.observe(0.002)
    camera.ring.lost = 6
    told = report.engine(3.0)
    assert told.dropped == 3.0
    assert 50.0 < told.age_ms <= 100.0
    assert told.overloaded
    cameras.running = {}
    assert report.engine(4.0).age_ms == 0.0
