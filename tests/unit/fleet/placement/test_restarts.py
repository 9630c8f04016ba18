"""What is said of an engine that ends in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.placement.commands import EngineLost
from fleet.placement.events import EngineEnded, EngineRestarts, Event, Wish
from support.fleet.placement_driver import TICK_S, Driver


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ([EngineRestarts("one", "older")], "its process has ended"),
        ([EngineRestarts("one", "a")], "it is being restarted"),
    ],
)
def test_an_engine_that_is_restarted_is_said_to_be(told: list[Event], reason: str) -> None:
    driver = Driver()
    driver.join("one")
    for event in told:
        driver.step(event)
    assert driver.step(EngineEnded("one", "a")) == [EngineLost("one", "a", reason)]


def test_an_engine_that_said_that_it_stops_is_not_said_to_be_silent() -> None:
    driver = Driver()
    driver.join("one")
    driver.step(replace(driver.engines["one"], stopping=True))
    lost = driver.elapse(driver.settings.ttl_s + 2 * TICK_S, "one")
    assert lost == [EngineLost("one", "a", "it has stopped")]


def test_a_camera_that_is_pinned_to_an_engine_that_stops_waits_for_no_drain() -> None:
    driver = Driver()
    driver.join("one", "two")
    driver.step(replace(driver.engines["one"], stopping=True))
    driver.add("c", wish=Wish(pinned="one"))
    assert driver.announced["c"].reason == "it is pinned to one, which is stopping"
