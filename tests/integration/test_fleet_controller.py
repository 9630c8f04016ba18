"""The controller with engines of this process: it makes them, gives them cameras, and takes these from lost ones."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import ray
import zmq
import zmq.asyncio
from ray.exceptions import RayError

import fleet.controller as controller_module
import fleet.engines as engines_module
from fleet.controller import Controller
from fleet.controller_actor import ControllerService
from fleet.engines import Engine
from fleet.store import Store, StoreError
from stream.membership.messages import CameraReport
from stream.results import Place, decode
from stream.settings.config_error import ConfigError
from support.fleet.local_cluster import (
    Handle,
    LocalCluster,
    LocalEngines,
    SimulatedEngine,
    cameras,
    configured,
    serving,
)
from support.slow_work import slow_work
from support.waiting import until

TWO: dict[str, Any] = {"least": 2, "reserve": 0}


def settled(controller: Controller, cluster: LocalCluster, count: int) -> dict[str, str] | None:
    """Return which engine has each camera, once `count` are live and none moves."""
    places, having = controller.placement.cameras.values(), cluster.having()
    if sum(camera.live and camera.old is None for camera in places) != count or len(having) != count:
        return None
    of_engines = sum(len(one.actor.generations) for one in cluster.handles.values() if not one.dead.done())
    return having if of_engines == count else None


async def shared(controller: Controller, cluster: LocalCluster, count: int) -> dict[str, str]:
    """Add cameras when two engines run, which get the same number, and return which engine has each."""
    await until(lambda: [one.state for one in controller.engines.all.values()] == ["running"] * 2)
    for camera in cameras(count):
        await controller.cameras.put(camera.pop("id"), camera)
    having: dict[str, str] = await until(lambda: settled(controller, cluster, count))
    assert Counter(having.values()) == {"engine-1": count / 2, "engine-2": count / 2}
    return having


async def passed(seconds: float) -> None:
    """Let this time pass, in which nothing is to happen."""
    until_s = time.monotonic() + seconds
    await until(lambda: time.monotonic() > until_s)


async def test_engines_are_made_and_get_their_cameras_with_passwords_and_rising_generations(tmp_path: Path) -> None:
    door = {"id": "door", "source": "rtsp://user:secret@10.0.0.7/1", "max_fps": 5, "expected_mpx": 1}
    config = configured(tmp_path, cameras=[door], engine={"model": {"profile": "free"}}, engines=TWO)
    async with serving(config) as (controller, _, cluster):
        await until(lambda: settled(controller, cluster, 1))
        (name,) = cluster.having().values()
        engine = cluster[name]
        assert engine.cameras["door"].settings == {"source": door["source"], "max_fps": 5.0}
        assert engine.told["engine"]["model"] == {"profile": "free"}
        assert (engine.told["name"], engine.told["node"]) == (name, f"node-{name[-1]}")
        generation = engine.generations["door"]
        await controller.cameras.patch("door", {"max_fps": 7})
        await until(lambda: engine.cameras["door"].settings["max_fps"] == 7)
        assert engine.generations["door"] == generation, "a change of settings is no move"
        await controller.cameras.patch("door", {"enabled": False})
        await until(lambda: not engine.cameras)
        await controller.cameras.remove("door")
        await controller.cameras.put("door", {"source": "pattern:"})
        await until(lambda: cluster.having() and settled(controller, cluster, 1))
        (name,) = cluster.having().values()
        assert cluster[name].generations["door"] > generation
        assert sorted(cluster.handles) == ["engine-1", "engine-2"]


class Slow(SimulatedEngine):
    """Loads its model until `starts` is set."""

    starts = False


async def joined(controller: Controller, cluster: LocalCluster, name: str) -> None:
    """Wait until an engine loads its model, and then until it has loaded it."""
    await until(lambda: (one := controller.engines.all.get(name)) and one.state == "starting")
    cluster[name].starts = True
    await until(lambda: controller.engines.all[name].state == "running")


async def test_engines_that_start_together_share_the_cameras_that_wait_for_them_but_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path, cameras=cameras(4), engines=TWO)
    async with serving(config, LocalCluster(Slow)) as (controller, _, cluster):
        for name in ("engine-1", "engine-2"):
            assert not cluster.having(), "the first one has them all"
            await joined(controller, cluster, name)
        await until(lambda: settled(controller, cluster, 4))
        assert Counter(cluster.having().values()) == {"engine-1": 2, "engine-2": 2}
        monkeypatch.setattr(controller_module, "TOGETHER_S", 0.1)
        for number in range(4, 12):  # 240 Mpx/s in all
            await controller.cameras.put(f"c{number}", {"source": "pattern:"})
        await until(lambda: "engine-3" in controller.engines.all)
        controller.engines.make()
        await joined(controller, cluster, "engine-3")
        await until(lambda: settled(controller, cluster, 12))
        assert controller.engines.all["engine-4"].state == "starting"


async def test_an_engine_is_replaced_although_no_other_has_room_for_its_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "REPLACED_WITHIN_S", 0.3)
    async with serving(configured(tmp_path, cameras=cameras(7), engines=TWO)) as (controller, client, cluster):
        await until(lambda: settled(controller, cluster, 7))
        replaced = cluster["engine-1"]
        assert (await client.ask("POST", "/api/v1/fleet/restart/engine-1"))[0] == 204
        await until(lambda: cluster["engine-1"] is not replaced and settled(controller, cluster, 7))
        assert cluster.handles.keys() == {"engine-1", "engine-2"}


async def test_the_end_of_a_fleet_leaves_no_engine_also_while_one_is_made_or_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, ray_answers = LocalEngines._actor, threading.Event()

    def actor(engines: LocalEngines, engine: Engine) -> Any:
        if engine.name == "engine-3":
            ray_answers.wait(30)
        return original(engines, engine)

    monkeypatch.setattr(LocalEngines, "_actor", actor)
    async with serving(configured(tmp_path, cameras=cameras(2), engines=TWO)) as (controller, _, cluster):
        await until(lambda: settled(controller, cluster, 2))
        controller.engines.make()
        controller.replace("engine-1")
        ending = asyncio.create_task(controller.end())
        await until(lambda: controller.engines.all.keys() == {"engine-3"})
        ray_answers.set()
        await ending
        assert not controller.engines.all
        assert all(handle.dead.done() for handle in cluster.handles.values())


async def test_cameras_of_an_engine_that_ends_or_is_silent_live_elsewhere_and_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(configured(tmp_path, engines=TWO)) as (controller, _, cluster):
        before = await shared(controller, cluster, 4)
        generations = dict(cluster["engine-1"].generations)
        cluster.handles["engine-1"].kill()
        await until(lambda: cluster.having() == dict.fromkeys(before, "engine-2"))
        assert all(cluster["engine-2"].generations[camera] > number for camera, number in generations.items())
        await until(lambda: controller.engines.all.keys() == {"engine-1", "engine-2"} and not controller.engines.ended)
        assert controller.engines.lost == 1

        monkeypatch.setattr(engines_module, "SILENT_S", 0.2)
        paused = cluster.handles["engine-2"]
        paused.paused = True
        await passed(0.05)
        paused.paused = False
        slow_work(0.25)  # the controller stalls: its timer has ended when it gets the answer
        await passed(0.05)
        paused.paused = True
        assert controller.engines.lost == 1
        away = [RayError("the head is away")] * 2  # then engines can be ended again
        with mock.patch.object(ray, "kill", mock.Mock(wraps=Handle.kill, side_effect=away + [mock.DEFAULT] * 9)):
            await until(lambda: set(cluster.having().values()) == {"engine-1"} and paused.dead.done())
        assert controller.engines.lost == 2


async def test_the_reason_of_an_engines_end_is_shown_and_a_slow_start_is_not_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines_module, "SILENT_S", 0.05)
    async with serving(configured(tmp_path), LocalCluster(Slow)) as (controller, client, cluster):
        await until(lambda: (engine := controller.engines.all.get("engine-1")) and engine.state == "starting")
        cluster.handles["engine-1"].paused = True
        await passed(3 * engines_module.SILENT_S)
        assert controller.engines.all["engine-1"].state == "starting"
        with mock.patch.object(engines_module, "AGAIN_S", 1000.0):
            cluster.handles["engine-1"].paused = False
            cluster["engine-1"].ends("model.device: no such CUDA device")
            await until(lambda: controller.engines.all["engine-1"].state == "ended")
        (shown,) = (await client.get("/api/v1/status"))["engines"]
        assert (shown["state"], shown["message"]) == ("lost", "model.device: no such CUDA device")


async def test_engines_are_made_as_the_cameras_need_them_wait_for_nodes_and_end_when_they_are_empty(
    tmp_path: Path,
) -> None:
    engines = {"least": 1, "reserve": 0, "most": 3, "empty_s": 1}
    async with serving(configured(tmp_path, cameras=cameras(2), engines=engines), LocalCluster(nodes=1)) as parts:
        controller, client, cluster = parts
        await until(lambda: settled(controller, cluster, 2))
        for number in range(2, 7):  # 140 Mpx/s in all
            await controller.cameras.put(f"c{number}", {"source": "pattern:"})
        await until(lambda: "engine-2" in controller.engines.all)
        assert controller.engines.all["engine-2"].state == "waiting"
        assert (await client.get("/api/v1/status"))["cameras"]["unplaced"] == 3
        cluster.nodes = 9
        await until(lambda: settled(controller, cluster, 7))
        for number in range(1, 7):
            await controller.cameras.remove(f"c{number}")
        await until(lambda: len(controller.engines.all) == 1 and not controller.engines.ended)
        assert settled(controller, cluster, 1)


async def test_an_engine_is_made_for_a_pinned_camera_and_waits_for_its_node_as_long_as_it_is_needed(
    tmp_path: Path,
) -> None:
    async with serving(configured(tmp_path, cameras=cameras(1))) as (controller, _, cluster):
        await until(lambda: settled(controller, cluster, 1))
        await controller.cameras.put("pinned", {"source": "pattern:", "pin": "zone=2"})
        await until(lambda: cluster.having() == {"c0": "engine-1", "pinned": "engine-2"})
        await controller.cameras.put("nowhere", {"source": "pattern:", "pin": "zone=77"})
        waiting = await until(lambda: controller.engines.all.get("engine-3"))
        assert (waiting.pin, waiting.state) == ("zone=77", "waiting")
        place = await until(lambda: controller.directory.places.get("nowhere"))
        assert place.state == "unplaced" and "zone=77" in place.reason
        await controller.cameras.remove("nowhere")
        await until(lambda: list(controller.engines.all) == ["engine-1", "engine-2"])
        assert controller.engines.lost == 0


async def test_a_camera_that_an_engine_refuses_goes_to_another(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, engines=TWO)) as (controller, _, cluster):
        await until(lambda: len(controller.placement.engines) == 2)
        cluster["engine-1"].camera = CameraReport(0, "ended", refused="no such file")
        await controller.cameras.put("c0", {"source": "pattern:"})
        await until(lambda: settled(controller, cluster, 1))
        assert "engine-1 refused it: no such file" in controller.placement.cameras["c0"].reason


async def test_a_controller_that_starts_again_moves_no_camera_also_if_its_store_was_lost(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=cameras(4), engines=TWO)
    async with serving(config, leaves=True) as (controller, _, cluster):
        before = await until(lambda: settled(controller, cluster, 4))
    generations = {name: cluster[name].generations for name in cluster.handles}
    for lost in (False, True):
        for file in tmp_path.glob("fleet.db*") if lost else ():
            file.unlink()
        cluster.handles["engine-2"].paused = True  # it answers later than the other one
        async with serving(config, cluster, leaves=True) as (controller, _, _):
            await until(lambda controller=controller: "engine-1" in controller.placement.engines)
            await passed(0.2)
            cluster.handles["engine-2"].paused = False
            await until(lambda controller=controller: settled(controller, cluster, 4))
            assert cluster.having() == before, lost
            assert {name: cluster[name].generations for name in cluster.handles} == generations, lost
            assert not sum(n for cause, n in controller.placement.moves.items() if cause != "kept")
    cluster.handles["engine-1"].kill()
    async with serving(config, cluster) as (controller, _, _):
        await until(lambda: settled(controller, cluster, 4))
        assert all(cluster.having()[camera] == one for camera, one in before.items() if one == "engine-2")


async def test_a_drained_engine_gives_its_cameras_away_one_after_the_other_and_stays_drained(tmp_path: Path) -> None:
    config = configured(tmp_path, cameras=cameras(4), engines=TWO)
    async with serving(config, leaves=True) as (controller, client, cluster):
        await until(lambda: settled(controller, cluster, 4))
        assert (await client.ask("POST", "/api/v1/fleet/drain/node-1"))[0] == 204
        await until(lambda: set(cluster.having().values()) == {"engine-2"})
        before = cluster["engine-1"]
        assert (await client.ask("POST", "/api/v1/fleet/restart/engine-1"))[0] == 204
        await until(lambda: cluster["engine-1"] is not before and controller.engines.all["engine-1"].status)
    async with serving(config, cluster) as (controller, client, _):
        await controller.cameras.put("c9", {"source": "pattern:", "expected_mpx": 1})
        await until(lambda: cluster.having().get("c9") == "engine-2")
        assert (await client.ask("DELETE", "/api/v1/fleet/drain/engine-1"))[0] == 204
        await controller.cameras.put("c8", {"source": "pattern:"})
        await until(lambda: cluster.having().get("c8") == "engine-1")


async def test_while_the_store_cannot_be_written_changes_are_refused_and_lost_engines_cameras_move_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: Store, statements: object) -> None:
        raise StoreError("database or disk is full")

    config = configured(tmp_path, engines=TWO)
    async with serving(config) as (controller, client, cluster):
        await shared(controller, cluster, 4)
        before = dict(controller.cameras.all)
        with monkeypatch.context() as broken:
            broken.setattr(Store, "write", full)
            for method, camera in (("PUT", "new"), ("PUT", "c0"), ("DELETE", "c0")):
                body = {"source": "pattern:64x64"}
                assert (await client.ask(method, f"/api/v1/cameras/{camera}", json=body))[0] == 507
            assert controller.cameras.all == before
            cluster.handles["engine-1"].kill()
            await until(lambda: len(cluster["engine-2"].generations) == 4)
            status, verdict, _ = await client.ask("GET", "/readyz")
            assert status == 503 and "controller.store can't be written: database or disk is full" in str(verdict)
        await until(lambda: not controller.problems)
        kept = dict(cluster["engine-2"].generations)
    async with serving(config) as (controller, _, _):
        assert {name: camera.generation for name, camera in controller.placement.cameras.items()} == kept


async def test_readers_of_the_directory_get_every_placement_and_each_change(tmp_path: Path) -> None:
    async with serving(configured(tmp_path, engines=TWO)) as (controller, _, cluster):
        before = await shared(controller, cluster, 4)
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as reader:
            reader.connect(controller.directory.publisher.endpoint)
            reader.subscribe(b"directory/v1/")
            places: dict[str, Place] = {}

            async def read(true: Any) -> None:
                while not true():
                    message = decode((await reader.recv_multipart())[1])
                    assert isinstance(message, Place)
                    places[message.camera] = message

            await read(lambda: len(places) == 4)
            assert {name: place.address and place.address.engine for name, place in places.items()} == before
            first = next(camera for camera, engine in before.items() if engine == "engine-1")
            generation = places[first].generation
            await controller.drain("engine-1", True)
            await read(lambda: places[first].generation > generation)
            moved: Any = places[first]
            assert moved.address.engine == "engine-2"
            if moved.previous:  # else it was live before the directory was written again
                assert (moved.previous.engine, moved.previous_generation) == ("engine-1", generation)
            await read(lambda: places[first].previous is None)
            await controller.cameras.remove(first)
            await read(lambda: places[first].state == "removed")
            await controller.cameras.patch(next(iter(controller.cameras.all)), {"enabled": False})
            await read(lambda: "disabled" in {place.state for place in places.values()})


async def test_what_keeps_a_controller_from_starting_is_an_error_with_the_setting(tmp_path: Path) -> None:
    right = configured(tmp_path)
    for setting, address in (("directory", "tcp://0.0.0.0:0"), ("replay", "tcp://192.0.2.1:5570")):
        controller = right.controller.model_dump() | {setting: address}
        with pytest.raises(ConfigError, match=rf"controller\.{setting}: "):
            await ControllerService(right.model_validate({"controller": controller})).start()
    async with serving(right):  # the store and the addresses are free again
        pass
