"""Tests of how a coordinator begins with what its store has, and of what it keeps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.store import Kept, LastPlace, Store
from fleet.placement.events import CameraUnwanted, Tick
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
    assert coordinator._snapshot().places == {"gone": LastPlace(5), "c0": LastPlace(0)}
