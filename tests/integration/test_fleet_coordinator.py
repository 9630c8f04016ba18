"""A fleet's coordinator with simulated engines: joins, faults, and restarts with and without its store."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from fleet.coordinator.coordinator import Coordinator
from fleet.coordinator.store import StoreError
from fleet.placement.events import DrainBegun
from stream.cameras.changes import NotSavedError, PrivateError, SettingsError
from stream.messaging.curve.keys import KeyPair, client_keys
from stream.results import Place, decode
from stream.settings.config_error import ConfigError
from support.fleet.coordinators import cameras, configured, held, joined, running
from support.waiting import until


def place(coordinator: Coordinator, camera: str) -> tuple[str, str | None, int]:
    view = coordinator.placement.cameras[camera]
    return view.state, view.engine, view.generation


async def test_cameras_are_shared_among_the_engines_that_join(tmp_path: Path) -> None:
    async with (
        running(configured(tmp_path, cameras=cameras(12))) as coordinator,
        joined(coordinator.renewals.address, "a", "b", "c") as engines,
    ):
        await until(lambda: len(held(*engines)) == 12)
        assert [len(engine.generations) for engine in engines] == [4, 4, 4]
        assert engines[0].settings[next(iter(engines[0].generations))] == {"source": "pattern:"}
        await until(lambda: all(camera.live for camera in coordinator.placement.cameras.values()))
        await until(lambda: all(engine.leased for engine in engines))


@pytest.mark.parametrize("fence", ["soft", "strict"])
async def test_the_cameras_of_a_silent_engine_move_with_higher_generations(tmp_path: Path, fence: str) -> None:
    config = configured(tmp_path, placement={"fence": fence}, cameras=cameras(8))
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a", "b") as (a, b):
        await until(lambda: len(held(a, b)) == 8)
        before = dict(a.generations)
        await a.end()
        await until(lambda: len(b.generations) == 8)
        assert not a.leased
        assert all(b.generations[camera] > generation for camera, generation in before.items())
        assert coordinator.engines.lost["a"].reason.startswith("silent")


@pytest.mark.soak
async def test_with_the_strict_fence_no_camera_is_on_two_engines_while_it_moves(tmp_path: Path) -> None:
    config = configured(tmp_path, placement={"fence": "strict"}, cameras=cameras(6))
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a", "b") as (a, b):
        await until(lambda: len(held(a, b)) == 6)
        await coordinator.changes.drain("a")
        await until(lambda: len(held(a, b)) == 6 and not a.generations)


@pytest.mark.soak
async def test_an_engine_whose_process_ended_is_not_waited_for(tmp_path: Path) -> None:
    async with (
        running(configured(tmp_path, placement={"ttl_s": 8, "settle_s": 0}, cameras=cameras(4))) as coordinator,
        joined(coordinator.renewals.address, "a", "b", renew_s=0.1) as (a, b),
    ):
        await until(lambda: len(held(a, b)) == 4)
        await a.end()
        coordinator.engine_ended("a", a.run)
        await until(lambda: len(b.generations) == 4)
        async with joined(coordinator.renewals.address, "a") as (again,):
            await until(lambda: again.grants)
            assert again.refusals == []


async def test_a_second_engine_with_a_name_in_use_is_refused(tmp_path: Path) -> None:
    async with (
        running(configured(tmp_path, cameras=cameras(2))) as coordinator,
        joined(coordinator.renewals.address, "a") as (first,),
    ):
        await until(lambda: len(first.generations) == 2)
        async with joined(coordinator.renewals.address, "a") as (second,):
            await until(lambda: second.refusals)
            assert "another engine with the name a" in second.refusals[0]
            assert second.grants == [] and len(first.generations) == 2
            await first.end()
            await until(lambda: len(second.generations) == 2)


@pytest.mark.soak
async def test_a_drained_node_gives_its_cameras_up_and_gets_them_again(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=cameras(6))
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a", "b") as (a, b):
        address = coordinator.renewals.address
        await until(lambda: len(held(a, b)) == 6)
        await coordinator.changes.drain("node-a")
        await until(lambda: len(b.generations) == 6 and not a.generations)
        await until(lambda: coordinator.drained == {"node-a"})
        await coordinator.stop()
        async with running(config, address) as again:
            await until(lambda: again.drained == {"node-a"})
            await again.changes.put("new", {"source": "pattern:"})
            await until(lambda: "new" in b.generations)
            await again.changes.undrain("node-a")
            await again.changes.put("newer", {"source": "pattern:"})
            await until(lambda: "newer" in a.generations)


async def test_changes_of_cameras_reach_their_engine_and_last(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=cameras(2))
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a") as (a,):
        await until(lambda: len(a.generations) == 2)
        await coordinator.changes.put("door", {"source": "rtsp://user:secret@10.0.0.7/1"})
        await until(lambda: a.settings.get("door") == {"source": "rtsp://user:secret@10.0.0.7/1"})
        generation = a.generations["door"]
        await coordinator.changes.patch("door", {"max_fps": 5})
        await until(lambda: a.settings["door"].get("max_fps") == 5)
        assert a.settings["door"]["source"] == "rtsp://user:secret@10.0.0.7/1"
        assert a.generations["door"] == generation
        await coordinator.changes.patch("c0", {"enabled": False})
        assert await coordinator.changes.remove("c1")
        assert not await coordinator.changes.remove("c1")
        await until(lambda: set(a.generations) == {"door"})
        address = coordinator.renewals.address
        await coordinator.stop()
        async with running(config, address) as again:
            await until(lambda: again.placement.settled)
            assert set(again.cameras.all) == {"c0", "door"}
            assert again.cameras.all["door"].source.reveal() == "rtsp://user:secret@10.0.0.7/1"
            assert place(again, "c0")[0] == "disabled"
            assert place(again, "door") == ("placed", "a", generation)
            assert a.generations == {"door": generation}


@pytest.mark.soak
async def test_a_camera_that_was_removed_and_added_again_gets_a_higher_generation(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=cameras(1))
    async with running(config) as coordinator, joined(coordinator.renewals.address, "a") as (a,):
        await until(lambda: "c0" in a.generations)
        generation = a.generations["c0"]
        await coordinator.changes.remove("c0")
        await until(lambda: not a.generations)
        address = coordinator.renewals.address
        await coordinator.stop()
        async with running(config, address) as again:
            await again.changes.put("c0", {"source": "pattern:"})
            await until(lambda: a.generations.get("c0", 0) > generation)


@pytest.mark.soak
async def test_a_pinned_camera_waits_for_its_node(tmp_path: Path) -> None:
    async with (
        running(configured(tmp_path, cameras=cameras(1, pin="node-b"))) as coordinator,
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        await until(lambda: coordinator.directory.places)
        assert coordinator.directory.places["c0"].state == "unplaced"
        assert "pinned to node-b" in coordinator.directory.places["c0"].reason
        async with joined(coordinator.renewals.address, "b") as (b,):
            await until(lambda: b.generations)
            assert not a.generations


async def test_a_camera_that_an_engine_refuses_goes_to_another(tmp_path: Path) -> None:
    async with (
        running(configured(tmp_path, cameras=cameras(1))) as coordinator,
        joined(coordinator.renewals.address, "a", refuses="no such file") as (a,),
    ):
        await until(lambda: "c0" in coordinator.directory.places)
        await until(lambda: "no such file" in coordinator.directory.places["c0"].reason)
        async with joined(coordinator.renewals.address, "b") as (b,):
            await until(lambda: b.generations)
            assert not a.generations


async def test_invalid_or_too_revealing_settings_are_refused(tmp_path: Path) -> None:
    hidden = {"id": "yard", "source": "rtsp://10.0.0.8/1", "privacy": "skeleton"}
    async with running(configured(tmp_path, cameras=[hidden])) as coordinator:
        with pytest.raises(SettingsError, match="max_fps"):
            await coordinator.changes.put("door", {"source": "pattern:", "max_fps": -1})
        with pytest.raises(SettingsError, match="camera_schemes"):
            await coordinator.changes.put("door", {"source": "/etc/passwd"})
        with pytest.raises(PrivateError):
            await coordinator.changes.patch("yard", {"privacy": "off"})
        await coordinator.changes.remove("yard")
        with pytest.raises(PrivateError):
            await coordinator.changes.put("yard", {"source": "rtsp://10.0.0.8/1"})
        assert not coordinator.cameras.all


@pytest.mark.soak
async def test_while_the_store_cannot_be_written_nothing_is_placed_and_engines_keep_their_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        running(configured(tmp_path, cameras=cameras(4))) as coordinator,
        joined(coordinator.renewals.address, "a", "b") as (a, b),
    ):
        await until(lambda: len(held(a, b)) == 4)
        connection = coordinator._store._connection
        assert connection is not None
        connection.execute("PRAGMA query_only = ON")
        with pytest.raises(NotSavedError):
            await coordinator.changes.put("new", {"source": "pattern:"})
        assert "new" not in coordinator.cameras.all
        kept = dict(b.generations)
        await a.end()
        await until(lambda: "a" in coordinator.engines.lost)
        assert any("coordinator.store" in problem for problem in coordinator.problems)
        renewed = len(b.grants)
        await until(lambda: len(b.grants) > renewed + 4)
        assert b.generations == kept and b.leased
        connection.execute("PRAGMA query_only = OFF")
        await until(lambda: len(b.generations) == 4)


async def test_readers_of_the_directory_get_every_place_and_each_change(tmp_path: Path) -> None:
    async with (
        running(configured(tmp_path, cameras=cameras(3))) as coordinator,
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        await until(lambda: len(a.generations) == 3)
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as reader:
            reader.connect(coordinator.directory.publisher.endpoint)
            reader.subscribe(b"directory/v1/")
            places: dict[str, Place] = {}

            async def read() -> None:
                message = decode((await reader.recv_multipart())[1])
                assert isinstance(message, Place)
                places[message.camera] = message

            while len(places) < 3:
                await read()
            assert {place.address and place.address.endpoint for place in places.values()} == {"tcp://node-a:5555"}
            assert {name: place.generation for name, place in places.items()} == a.generations
            await coordinator.changes.remove("c0")
            while places["c0"].state != "removed":
                await read()
            async with joined(coordinator.renewals.address, "b") as (b,):
                await until(lambda: b.grants)
                await coordinator.changes.drain("a")
                while (moved := places["c1"]).generation == a.generations.get("c1", 0) or not moved.previous:
                    await read()
                assert moved.address and (moved.address.engine, moved.previous.engine) == ("b", "a")
                assert moved.previous_generation is not None and moved.previous_generation < moved.generation


async def last_places(coordinator: Coordinator, count: int) -> dict[str, str]:
    """Return the states of this many cameras, as a new reader of the directory gets them."""
    with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as reader:
        reader.connect(coordinator.directory.publisher.endpoint)
        reader.subscribe(b"directory/v1/")
        states: dict[str, str] = {}
        while len(states) < count:
            message = decode((await reader.recv_multipart())[1])
            assert isinstance(message, Place)
            states[message.camera] = message.state
        return states


@pytest.mark.soak
async def test_readers_that_were_away_learn_which_cameras_were_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.coordinator.directory.MOST_REMEMBERED", 2)
    config = configured(tmp_path, placement={"settle_s": 0}, cameras=cameras(4))
    expected = {"c0": "unplaced", "c1": "unplaced", "c2": "removed", "c3": "removed"}
    async with running(config) as coordinator:
        await until(lambda: len(coordinator.directory.places) == 4)
        for name in ("c0", "c1", "c2", "c3"):
            await coordinator.changes.remove(name)
        for name in ("c0", "c1"):
            await coordinator.changes.put(name, {"source": "pattern:"})
        await until(lambda: len(coordinator.directory.places) == 2)
        assert await last_places(coordinator, 4) == expected
    async with running(config) as coordinator:
        assert await last_places(coordinator, 4) == expected


@pytest.mark.soak
async def test_readers_are_told_of_the_latest_removed_cameras_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.coordinator.directory.MOST_REMEMBERED", 2)
    async with running(configured(tmp_path, cameras=cameras(4))) as coordinator:
        await until(lambda: len(coordinator.directory.places) == 4)
        for name in ("c0", "c1", "c2"):
            await coordinator.changes.remove(name)
        last = coordinator.directory.publisher.last
        await until(lambda: last("directory/v1/c0/") is None)
        assert last("directory/v1/c1/") and last("directory/v1/c2/")


@pytest.mark.soak
async def test_readers_learn_that_a_camera_without_valid_settings_was_removed(tmp_path: Path) -> None:
    config = configured(tmp_path)
    async with running(config) as coordinator:
        await coordinator.changes.put("door", {"source": "pattern:"})
    with sqlite3.connect(tmp_path / "fleet.db") as connection:
        connection.execute("UPDATE cameras SET settings = '{}'")
    connection.close()
    async with running(config) as coordinator:
        assert "door" in coordinator.cameras.invalid
        await coordinator.changes.remove("door")
        assert await last_places(coordinator, 1) == {"door": "removed"}


async def test_garbage_is_counted_and_ignored(tmp_path: Path) -> None:
    async with running(configured(tmp_path, cameras=cameras(1))) as coordinator:
        with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(coordinator.renewals.address)
            for frames in (
                [b""],
                [b"{"],
                [b"[]", b"x"],
                [b'{"kind":"renewal"}'],
                [b'{"kind":"grant"}'],
                [b"\xff" * 9000],
            ):
                await socket.send_multipart(frames)
            await until(lambda: coordinator.renewals.counts["invalid"] == 6)
        async with joined(coordinator.renewals.address, "a") as (a,):
            await until(lambda: a.generations)


@pytest.mark.soak
async def test_with_curve_only_listed_engines_get_cameras_and_readers_do_not(tmp_path: Path) -> None:
    pairs = {name: KeyPair.new() for name in ("own", "engine", "reader", "unlisted")}
    for name, pair in pairs.items():
        path = tmp_path / f"{name}.key_secret"
        path.touch(0o600)
        path.write_text(pair.secret_certificate())
        (tmp_path / f"{name}.key").write_text(pair.public_certificate())
    keys = {
        "curve_secret_key_file": tmp_path / "own.key_secret",
        "curve_engine_keys": tmp_path / "engine.key",
        "curve_allowed_keys": tmp_path / "reader.key",
    }

    def of(name: str) -> dict[str, Any]:
        return {"keys": client_keys(pairs["own"].public, tmp_path / f"{name}.key_secret")}

    async with running(configured(tmp_path, coordinator=keys, cameras=cameras(1))) as coordinator:
        address = coordinator.renewals.address
        async with (
            joined(address, "b", **of("unlisted")) as (refused,),
            joined(address, "r", **of("reader")) as (reader,),
            joined(address, "c") as (plain,),
            joined(address, "a", **of("engine")) as (accepted,),
        ):
            await until(lambda: accepted.generations and coordinator.renewals.refused >= 2)
            assert refused.grants == plain.grants == reader.grants == []
            assert set(coordinator.engines.sessions) == {"a"}


@pytest.mark.soak
async def test_another_connection_gets_nothing_with_the_name_and_run_of_an_engine_that_is_connected(
    tmp_path: Path,
) -> None:
    async with (
        running(configured(tmp_path, placement={"ttl_s": 60, "settle_s": 0}, cameras=cameras(1))) as coordinator,
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        await until(lambda: a.generations)
        async with joined(coordinator.renewals.address, "a", run=a.run) as (other,):
            await until(lambda: other.refusals)
            assert "on another connection" in other.refusals[0]
            await a.end()
            await until(lambda: other.generations)  # as an engine that lost its connection and made a new one
            assert not coordinator.engines.lost


async def test_an_open_address_without_keys_is_refused(tmp_path: Path) -> None:
    config = configured(tmp_path, coordinator={"bind": "tcp://0.0.0.0:0"})
    with pytest.raises(ConfigError, match=r"coordinator\.bind: .*passwords"):
        await Coordinator(config).start()
    config = configured(tmp_path, coordinator={"directory": "tcp://0.0.0.0:0"})
    with pytest.raises(ConfigError, match=r"coordinator\.directory"):
        await Coordinator(config).start()
    async with running(configured(tmp_path)):  # the store is free again
        pass


@pytest.mark.soak
async def test_no_move_begins_while_the_store_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(statements: object) -> None:
        raise StoreError("database or disk is full")

    async with (
        running(configured(tmp_path, cameras=cameras(2))) as coordinator,
        joined(coordinator.renewals.address, "a") as (a,),
    ):
        await until(lambda: all(place(coordinator, name)[:2] == ("placed", "a") for name in ("c0", "c1")))
        with monkeypatch.context() as broken:
            broken.setattr(coordinator._store, "write", full)
            with pytest.raises(NotSavedError):
                await coordinator.changes.patch("c0", {"expected_mpx": 3})
            assert coordinator._outbox.held
            async with joined(coordinator.renewals.address, "b") as (b,):
                await until(lambda: bool(b.grants))
                grants = len(b.grants)
                await until(lambda: len(b.grants) > grants + 4)  # several ticks later
                coordinator._step(DrainBegun("a"))
                await until(lambda: len(b.grants) > grants + 8)
                assert [place(coordinator, name)[:2] for name in ("c0", "c1")] == [("placed", "a")] * 2
        async with joined(coordinator.renewals.address, "c") as (c,):
            await until(lambda: set(c.generations) == {"c0", "c1"} and not a.generations)
