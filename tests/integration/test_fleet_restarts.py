"""A fleet's coordinator that starts again, with its store, an older copy of it, or none; with simulated engines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from benchmarks.fleet.dealer_engines import DealerEngine
from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.store import LastPlace, Store, camera_changed, floor_raised, placed
from stream.membership.protocol import Renewal
from support.fleet.coordinators import TTL_S, cameras, configured, held, joined, running
from support.repository import REPOSITORY
from support.waiting import until


def forget_store(folder: Path) -> None:
    for file in folder.glob("fleet.db*"):
        file.unlink()


def engines_of(*engines: DealerEngine) -> dict[str, str]:
    return {camera: engine.name for engine in engines for camera in engine.generations}


def place(coordinator: Coordinator, camera: str) -> tuple[str, str | None, int]:
    view = coordinator.placement.cameras[camera]
    return view.state, view.engine, view.generation


@pytest.mark.soak
@pytest.mark.parametrize("fence", ["soft", "strict"])
async def test_a_coordinator_without_its_store_rebuilds_everything_from_the_engines(tmp_path: Path, fence: str) -> None:
    config = configured(tmp_path, placement={"fence": fence}, cameras=cameras(3))
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a", "b") as (a, b):
        await until(lambda: len(held(a, b)) == 3)
        await coordinator.changes.put("door", {"source": "rtsp://user:secret@10.0.0.7/1", "max_fps": 5})
        await coordinator.changes.patch("c0", {"staleness_ms": 700})
        await until(lambda: len(held(a, b)) == 4)
        await until(lambda: (a.settings | b.settings)["c0"].get("staleness_ms") == 700)
        before, where, address = held(a, b), engines_of(a, b), coordinator.renewals.address
        await coordinator.stop()
        forget_store(tmp_path)
        async with running(config, address) as again:
            await until(lambda: again.placement.settled)
            await until(lambda: all(camera.live for camera in again.placement.cameras.values()))
            assert engines_of(a, b) == where
            assert all(generation > before[camera] for camera, generation in held(a, b).items())
            before = held(a, b)
            assert again.cameras.all["door"].source.reveal() == "rtsp://user:secret@10.0.0.7/1"
            assert again.cameras.all["door"].max_fps == 5
            assert again.cameras.all["c0"].staleness_ms != 700  # the configuration has it: no engine may change it
            assert set(again.cameras.all) == {"c0", "c1", "c2", "door"}
            await until(lambda: a.leased and b.leased)
            await again.changes.remove("door")
            await until(lambda: "door" not in held(a, b))
            await a.end()
            await until(lambda: set(b.generations) == {"c0", "c1", "c2"})
            assert all(b.generations[camera] >= before[camera] for camera in b.generations)
            assert all(b.generations[camera] > before[camera] for camera in a.generations)
            await again.stop()
        async with running(config, address) as third:  # with the store that was rebuilt
            await until(lambda: third.placement.settled)
            assert set(third.cameras.all) == {"c0", "c1", "c2"}


@pytest.mark.soak
async def test_a_strict_engine_is_not_leased_by_a_rebuilt_coordinator_before_all_have_reported(tmp_path: Path) -> None:
    config = configured(tmp_path, placement={"fence": "strict", "settle_s": 600}, cameras=cameras(1))
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a", generations={"c0": 5}) as (a,):
        await until(lambda: len(a.grants) > 3)
        assert not a.leased and set(a.generations) == {"c0"}


@pytest.mark.soak
async def test_of_two_engines_that_report_a_camera_one_keeps_it_with_a_generation_above_both(tmp_path: Path) -> None:
    async with (
        running(configured(tmp_path, cameras=cameras(1))) as coordinator,
        joined(coordinator.renewals.address, "a", generations={"c0": 5}) as (a,),
        joined(coordinator.renewals.address, "b", generations={"c0": 6}) as (b,),
    ):
        await until(lambda: len(a.generations) + len(b.generations) == 1)
        await until(lambda: held(a, b)["c0"] > 6)
        assert place(coordinator, "c0")[0] == "placed"


@pytest.mark.soak
async def test_a_camera_that_was_removed_while_its_engine_was_away_does_not_return(tmp_path: Path) -> None:
    config = configured(tmp_path)
    async with running(config) as coordinator:
        await coordinator.changes.put("door", {"source": "pattern:"})
        address = coordinator.renewals.address
        async with joined(address, "a") as (a,):
            await until(lambda: a.generations)
            await coordinator.stop()
            forget_store(tmp_path)
            async with running(config, address) as again:
                await until(lambda: "door" in again.cameras.all and again.placement.cameras["door"].live)
                await a.end()
                await again.changes.remove("door")
                await until(lambda: "a" in again.engines.lost)
                a.begin()
                await until(lambda: not a.generations)
                assert "door" not in again.cameras.all


@pytest.mark.soak
async def test_a_coordinator_with_an_old_copy_of_its_store_gives_generations_above_all_that_were_given(
    tmp_path: Path,
) -> None:
    config = configured(tmp_path, cameras=cameras(1))
    store = Store(config.coordinator.store)
    seen = store.open().created_ms  # by readers, before the store was replaced by an older one
    store.write([floor_raised(1000), placed("c0", LastPlace(1000, "a", "0" * 32))])
    store.close()
    async with running(config) as coordinator, joined(coordinator.renewals.address, "b") as (b,):
        await until(lambda: b.generations)
        assert b.generations["c0"] >= seen


@pytest.mark.soak
async def test_a_camera_that_an_old_copy_of_the_store_lacks_stays_with_its_engine(tmp_path: Path) -> None:
    config = configured(tmp_path)
    store = Store(config.coordinator.store)  # the copy is without cameras
    given = store.open().created_ms + 3_600_000  # since then, also by a coordinator whose clock was wrong
    store.close()
    settings = {"door": {"source": "rtsp://user:secret@10.0.0.7/1"}}
    async with (
        running(config) as coordinator,
        joined(coordinator.renewals.address, "a", generations={"door": given}, settings=settings) as (a,),
    ):
        await until(lambda: a.generations.get("door", 0) > given)
        assert coordinator.cameras.all["door"].source.reveal() == "rtsp://user:secret@10.0.0.7/1"


@pytest.mark.soak
async def test_cameras_whose_settings_come_in_several_renewals_are_all_taken_over(tmp_path: Path) -> None:
    settings = {f"door{number}": {"source": f"rtsp://10.0.0.7/{number}"} for number in range(5)}
    own = {"generations": dict.fromkeys(settings, 1), "settings": settings, "at_once": 2}
    async with (
        running(configured(tmp_path)) as coordinator,
        joined(coordinator.renewals.address, "a", **own) as (a,),
    ):
        await until(lambda: len(coordinator.cameras.all) == 5 and coordinator.placement.settled)
        await until(lambda: set(a.generations) == set(settings))
        assert {one.source.reveal() for one in coordinator.cameras.all.values()} == {
            one["source"] for one in settings.values()
        }


@dataclass
class LosingEngine(DealerEngine):
    """An engine whose first renewal with further settings is lost on its way."""

    lost: bool = False

    def renewal(self) -> Renewal:
        sent = super().renewal()
        if sent.more and not self.lost:
            self.lost = True
            return super().renewal()
        return sent


@pytest.mark.soak
@pytest.mark.parametrize("restarted", [False, True])
async def test_cameras_stay_with_their_engine_if_a_part_of_their_settings_is_lost(
    tmp_path: Path, restarted: bool
) -> None:
    settings: dict[str, Mapping[str, Any]] = {
        f"door{number}": {"source": f"rtsp://10.0.0.7/{number}"} for number in range(5)
    }
    async with running(configured(tmp_path)) as coordinator:
        engine = LosingEngine(
            coordinator.renewals.address,
            "a",
            generations=dict.fromkeys(settings, 1),
            settings=settings,
            at_once=2,
            renew_s=TTL_S / 4,
            lost=restarted,
            _to_send=["door4"] if restarted else [],  # what is left for the coordinator that was there before
        ).begin()
        try:
            await until(lambda: coordinator.placement.settled and all(n > 1 for n in engine.generations.values()))
            assert set(engine.generations) == set(settings) == set(coordinator.cameras.all)
        finally:
            await engine.end()


@pytest.mark.soak
async def test_an_engine_adds_no_camera_once_the_coordinator_has_listened(tmp_path: Path) -> None:
    async with running(configured(tmp_path, placement={"settle_s": 0})) as coordinator:
        await until(lambda: coordinator.placement.settled)
        own = {"generations": {"new": 1}, "settings": {"new": {"source": "rtsp://10.0.0.7/1"}}}
        async with joined(coordinator.renewals.address, "a", **own) as (a,):
            await until(lambda: not a.generations)
            assert not coordinator.cameras.all


@pytest.mark.soak
async def test_an_engine_does_not_change_a_camera_of_the_configuration(tmp_path: Path) -> None:
    own = {"generations": {"c0": 1}, "settings": {"c0": {"source": "rtsp://10.6.6.6/1"}}}
    async with (
        running(configured(tmp_path, cameras=cameras(1))) as coordinator,
        joined(coordinator.renewals.address, "a", **own) as (a,),
    ):
        await until(lambda: a.settings.get("c0") == {"source": "pattern:"})
        assert coordinator.cameras.all["c0"].source.reveal() == "pattern:"


@pytest.mark.soak
async def test_a_generation_without_room_above_it_leaves_the_fleet_as_it_is(tmp_path: Path) -> None:
    async with (
        running(configured(tmp_path, cameras=cameras(2))) as coordinator,
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        await until(lambda: len(a.generations) == 2)
        before = dict(a.generations)
        async with joined(coordinator.renewals.address, "b", generations={"c0": 2**53 - 1}) as (b,):
            await until(lambda: b.refusals)
            assert a.generations == before
            await coordinator.changes.remove("c0")
            await coordinator.changes.put("c2", {"source": "pattern:"})
            await until(lambda: set(a.generations) == {"c1", "c2"})


async def test_a_camera_whose_kept_settings_are_not_valid_any_more_stays_with_its_engine(tmp_path: Path) -> None:
    config = configured(tmp_path)
    store = Store(config.coordinator.store)
    store.open()
    settings = {"source": "rtsp://10.0.0.7/1", "unknown": 1}
    store.write([camera_changed("door", settings), placed("door", LastPlace(7, "a", "0" * 32))])
    store.close()
    own = {"generations": {"door": 7}, "settings": {"door": settings}}
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a", **own) as (a,):
        await until(lambda: coordinator.placement.settled and len(a.grants) > 12)
        assert a.generations == {"door": 7}
        await coordinator.changes.put("door", {"source": "rtsp://10.0.0.7/1"})
        await until(lambda: a.generations.get("door", 0) > 7)
        await until(lambda: a.settings["door"] == {"source": "rtsp://10.0.0.7/1"})


@pytest.mark.soak
async def test_a_camera_whose_kept_settings_are_not_valid_any_more_can_be_removed(tmp_path: Path) -> None:
    config = configured(tmp_path)
    store = Store(config.coordinator.store)
    store.open()
    settings = {"source": "rtsp://10.0.0.7/1", "unknown": 1}
    store.write([camera_changed("door", settings), placed("door", LastPlace(7, "a", "0" * 32))])
    store.close()
    own: dict[str, Any] = {"generations": {"door": 7}, "settings": {"door": settings}}
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a", **own) as (a,):
        await until(lambda: coordinator.placement.settled and a.grants)
        address = coordinator.renewals.address
        assert await coordinator.changes.remove("door")
        assert not await coordinator.changes.remove("door")
        await until(lambda: not a.generations)
        await coordinator.stop()
        async with running(config, address) as again, joined(address, "b", **own) as (b,):  # it was away
            await until(lambda: not b.generations)
            assert not again.cameras.has("door")


async def test_a_killed_coordinator_loses_no_camera(tmp_path: Path) -> None:
    """The coordinator is a process of its own, which is killed, and started again with its store and without."""
    port = await _free_address()
    content = {
        "coordinator": {"bind": port, "directory": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"}
        | {"store": str(tmp_path / "fleet.db")},
        "placement": {"ttl_s": 1},
        "cameras": cameras(6),
    }
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(content))
    async with joined(port, "a", "b") as (a, b):
        process = await _coordinator(file)
        await until(lambda: len(held(a, b)) == 6)
        before, where = held(a, b), engines_of(a, b)
        for forgets in (False, True):
            granted = len(a.grants)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            if forgets:
                forget_store(tmp_path)
            process = await _coordinator(file)
            await until(lambda: len(a.grants) > granted + 8)  # beyond the time that it listens # noqa: B023
            assert engines_of(a, b) == where
            assert forgets or held(a, b) == before
        await a.end()
        await until(lambda: len(b.generations) == 6)
        assert all(b.generations[camera] >= generation for camera, generation in before.items())
        process.terminate()
        await process.wait()


_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from fleet.coordinator.coordinator import Coordinator
from fleet.settings import FleetConfig

async def main():
    coordinator = Coordinator(FleetConfig.model_validate(json.loads(Path(sys.argv[1]).read_text())))
    await coordinator.start()
    print("started", flush=True)
    await coordinator.wait()

asyncio.run(main())
"""


async def _coordinator(config: Path) -> asyncio.subprocess.Process:
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, str(config), stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"started\n"
    return process


async def _free_address() -> str:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind("tcp://127.0.0.1:0")
        return socket.getsockopt_string(zmq.LAST_ENDPOINT)
