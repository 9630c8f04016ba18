"""A fleet with Ray: two nodes, an engine on each, faults, and a password that Ray neither shows nor writes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import ray
from ray._private import worker
from ray.util import state

from benchmarks.fleet.faults import Row, fleet_results, reading
from benchmarks.fleet.local_fleet import LocalFleet, local_fleet
from support.waiting import until

CAMERAS = ("dock", "gate", "hall", "yard")
PASSWORD = "n0b0dy-sees-this"
DOOR = f"rtsp://guard:{PASSWORD}@127.0.0.1:1/door"
DASHBOARD = ["/nodes?view=summary", "/logical/actors", "/api/cluster_status", "/events"]
DASHBOARD += [f"/api/v0/{kind}?detail=true" for kind in ("actors", "tasks", "workers", "objects")]


async def placed(fleet: LocalFleet, *cameras: str) -> dict[str, dict[str, Any]] | None:
    """Return where these cameras are, once all have an engine and none moves."""
    shown = await fleet.cameras()
    places = {name: shown[name]["place"] for name in cameras} if shown.keys() >= set(cameras) else {}
    return places if places and all(one["state"] == "placed" for one in places.values()) else None


def generations(rows: list[Row]) -> dict[str, int]:
    """Return the generation of the last result of each camera."""
    return {row.camera: row.generation for row in rows}


async def live_elsewhere(rows: list[Row], before: dict[str, dict[str, Any]]) -> None:
    """Wait until the reader has results of these cameras with later generations, from other engines or processes."""
    await until(lambda: all(generations(rows).get(name, 0) > one["generation"] for name, one in before.items()))


def written() -> Iterator[bytes]:
    """Yield all that Ray has written in its session, logs of workers included."""
    for path in Path(worker._global_node.get_session_dir_path()).rglob("*"):
        with suppress(FileNotFoundError):  # some are removed meanwhile
            if path.is_file():
                yield path.read_bytes()


async def shown(dashboard: str) -> list[str]:
    """Return all that Ray shows of actors, tasks and nodes: by its own commands, and on its dashboard."""
    listed = [state.list_actors, state.list_tasks, state.list_workers, state.list_nodes]
    settings = {"address": f"http://{dashboard}", "detail": True, "raise_on_missing_output": False}
    answers = [str(await asyncio.to_thread(one, **settings)) for one in listed]
    async with aiohttp.ClientSession(f"http://{dashboard}") as session:

        async def page(path: str) -> str | None:
            async with session.get(path) as answer:
                return await answer.text() if answer.status == 200 else None

        return [*answers, *[await until(lambda path=path: page(path)) for path in DASHBOARD]]


async def test_cameras_of_killed_engines_and_nodes_live_elsewhere_and_no_password_is_shown_by_ray() -> None:
    sources = dict.fromkeys(CAMERAS, "pattern:320x180@10")
    async with local_fleet(2, sources) as fleet:
        async with reading(fleet_results(fleet.directory)) as rows:
            await until(lambda: generations(rows).keys() == set(CAMERAS))
            places = await until(lambda: placed(fleet, *CAMERAS))
            assert {one["node"] for one in places.values()} == {"node-1", "node-2"}

            await fleet.ask("PUT", "cameras/door", {"source": DOOR, "expected_mpx": 0.1})
            first = (await until(lambda: placed(fleet, "door")))["door"]["engine"]
            await fleet.ask("POST", f"fleet/drain/{first}")

            async def has_moved() -> bool:
                found = await placed(fleet, "door", *CAMERAS)
                return found is not None and first not in {one["engine"] for one in found.values()}

            await until(has_moved)
            await fleet.ask("DELETE", f"fleet/drain/{first}")
            files, answers = list(written()), await shown(fleet.nodes.dashboard)
            assert any(b"camera door: taken over" in file for file in files), "engines log into Ray's files"
            assert any("partstream-engine-1" in answer for answer in answers)
            assert not any(PASSWORD.encode() in file for file in files)
            assert not any(PASSWORD in answer for answer in answers)
            await fleet.ask("DELETE", "cameras/door")

            places = await until(lambda: placed(fleet, *CAMERAS))
            name = places["dock"]["engine"]
            touched = {camera: one for camera, one in places.items() if one["engine"] == name}
            os.kill(await fleet.pid(name), signal.SIGKILL)
            await live_elsewhere(rows, touched)
            after = await until(lambda: placed(fleet, *CAMERAS))
            assert all(after[camera] == one for camera, one in places.items() if camera not in touched)
            await until(fleet.has_engines)

            node = after["dock"]["node"]
            touched = {camera: one for camera, one in after.items() if one["node"] == node}
            fleet.nodes.signal(node, signal.SIGKILL)
            await live_elsewhere(rows, touched)
            assert {one["node"] for one in (await until(lambda: placed(fleet, *CAMERAS))).values()}.isdisjoint({node})
        for camera in CAMERAS:
            numbers = [row.generation for row in rows if row.camera == camera]
            assert all(one <= later for one, later in pairwise(numbers)), camera
        assert not any(PASSWORD.encode() in file for file in written())
    assert not ray.is_initialized()
