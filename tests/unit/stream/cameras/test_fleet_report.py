"""What an engine of a fleet reports of itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from stream.cameras.fleet_member import LEARNED, FleetReport
from stream.membership.messages import EngineReport
from stream.results import Load
from telemetry.catalogue import SECONDS_BUCKETS
from telemetry.tally import Histogram


class Ring:
    policy = "latest"
    lost = 0

    def counts(self) -> Any:
        return SimpleNamespace(dropped={"overwritten": self.lost})


class Reported:
    """The report of an engine with one camera of 10 Mpx/s. `batches`: the seconds in which its model worked."""

    def __init__(self, *, overloaded: bool = False) -> None:
        self.batches, self.ages = Histogram(SECONDS_BUCKETS), Histogram(SECONDS_BUCKETS)
        self.ring = Ring()
        status = SimpleNamespace(size=(1000, 1000))
        camera = SimpleNamespace(fps=(10.0, 10.0), ring=self.ring, ages=self.ages, status=status)
        self.running = {"lobby": camera}
        load = SimpleNamespace(batches=self.batches, report=lambda: Load(0, 5, overloaded, None, None))
        make: Any = FleetReport
        self.report = make(SimpleNamespace(running=self.running), None, load, EngineReport(100.0, 8))


def test_the_capacity_is_the_load_over_the_share_of_the_time_in_which_the_model_works() -> None:
    one = Reported()
    assert one.report.engine(0.0).capacity == 100.0
    one.batches.observe(0.9)
    assert one.report.engine(1.0).capacity == 100.0, "the camera is live since a part of the second only"
    one.batches.observe(0.25)
    assert one.report.engine(1.5).capacity == 100.0, "not measured yet"
    assert one.report.engine(2.0).capacity == 40.0
    one.batches.observe(0.5)
    assert one.report.engine(3.0).capacity == pytest.approx(40 + LEARNED * (20 - 40))
    assert one.report.engine(4.0).capacity == pytest.approx(36.0), "a model that hardly works tells nothing"


def test_ages_and_drops_are_those_since_the_last_report() -> None:
    one = Reported(overloaded=True)
    one.report.engine(0.0)
    one.report.engine(1.0)
    for _ in range(20):
        one.ages.observe(0.09)
    one.ring.lost = 6
    told = one.report.engine(3.0)
    assert told.dropped == 3.0 and told.overloaded
    assert 50.0 < told.age_ms <= 100.0
    one.running.clear()
    assert one.report.engine(4.0).age_ms == 0.0
