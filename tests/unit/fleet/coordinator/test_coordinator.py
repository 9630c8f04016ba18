"""Tests of how a coordinator begins with what its store has, and of what it keeps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.store import Kept, LastPlace, Store
from fleet.placement.events import CameraUnwanted, EngineEnded, EngineRenewed, Measured, Tick
from stream.membership.protocol import EngineReport
from stream.results import EngineAddress
from support.fleet.coordinators import cameras, configured, running
from support.waiting import until


def begun(folder: Path, kept: Kept, **settings: Any) -> Coordinator:
    """Return a coordinator that has read this store."""
    coordinator = Coordinator(configured(folder, **settings))
    coordinator._begin(kept)
    return coordinator


def settled_after(coordinator: Coordinator, seconds: float) -> bool:
    coordinator.placement.step(Tick(), time.monotonic() + seconds)
    return coordinator.placement.settled


@pytest.mark.parametrize(("fence", "settled"), [("strict", False), ("soft", True)])
def test_a_strict_coordinator_waits_for_the_longer_leases_of_the_one_before(
    tmp_path: Path, fence: str, settled: bool
) -> None:
    kept = Kept(1, 1, {}, {"c0": LastPlace(1, "a", "r")}, frozenset(), [], ttl_ms=60_000)
    coordinator = begun(tmp_path, kept, placement={"ttl_s": 1, "fence": fence}, cameras=cameras(1))
    assert settled_after(coordinator, 59) is settled
    assert settled_after(coordinator, 62)


async def test_the_length_of_leases_is_kept_before_they_begin_and_shortened_when_the_longer_ones_are_over(
    tmp_path: Path,
) -> None:
    async with running(configured(tmp_path, placement={"ttl_s": 7})):
        pass
    store = Store(tmp_path / "fleet.db")
    assert store.open().ttl_ms == 7000
    store.close()
    async with running(configured(tmp_path, placement={"ttl_s": 1, "settle_s": 0})) as coordinator:
        await until(lambda: coordinator.placement.settled and not coordinator.unwritten)
    assert store.open().ttl_ms == 1000
    store.close()


def test_removed_cameras_are_among_what_is_written_again_after_damage(tmp_path: Path) -> None:
    kept = Kept(1, 1, {}, {"gone": LastPlace(5, "a", "r")}, frozenset(), [])
    coordinator = begun(tmp_path, kept, cameras=cameras(1))
    coordinator._step(CameraUnwanted("c0"))
    coordinator.cameras.remove("c0")
    assert coordinator._known.whole().places == {"gone": LastPlace(5), "c0": LastPlace(0)}


def test_cameras_with_invalid_settings_are_among_what_is_written_again_after_damage(tmp_path: Path) -> None:
    far = 2**42  # in the year 2109
    settings = {"door": {"source": "pattern:", "unknown": 1}, "c0": {"source": "pattern:", "unknown": 1}}
    kept = Kept(1, 1, settings, {"door": LastPlace(far, "a", "r")}, frozenset(), [])
    coordinator = begun(tmp_path, kept, cameras=cameras(1))
    assert coordinator._known.whole().cameras == settings
    assert coordinator._known.whole().places == {"door": LastPlace(far, "a", "r")}
    assert coordinator.placement.generation_floor == far + 1


def test_what_is_done_at_once_does_not_wait_to_be_written(tmp_path: Path) -> None:
    coordinator = begun(tmp_path, Kept(1, 1, {}, {}, frozenset(), []), placement={"settle_s": 0})
    coordinator._step(Tick())
    before = coordinator.unwritten
    for number in range(5):  # engines that begin and end, with a camera that is not theirs, while the disk is full
        address = EngineAddress("a", "n", f"run-{number}", "tcp://n:1", "tcp://n:2")
        coordinator._step(EngineRenewed(address, EngineReport(100, 64), {"other": Measured(1, True)}))
        coordinator._step(EngineEnded("a", address.run))
    assert not coordinator.placement.engines and coordinator.unwritten == before
