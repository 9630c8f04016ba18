"""A fleet on this machine: Ray with several nodes, one engine on each, and the controller on a head without engines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import ray
import yaml
from ray.cluster_utils import Cluster

from benchmarks.run_once import RunFailedError
from fleet import controller_actor
from fleet.controller_actor import HEAD
from fleet.engine_actor import NAMESPACE
from fleet.engines import PREFIX

FPS = 10.0
EXPECTED_MPX = 0.6
STARTS_WITHIN_S = 120.0
POLL_S = 0.02
OBJECT_STORE_BYTES = 80 << 20
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
"""As docs/fleet.md recommends."""


@dataclass(slots=True)
class LocalFleet:
    """A fleet that runs. `status` and `ask` use the controller's HTTP API."""

    cluster: Cluster
    nodes: dict[str, Any]
    """Ray's nodes with engines, by the name that engines report."""
    http: str
    directory: str
    """HOST:PORT."""
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer; None without one. Raises `aiohttp.ClientError`."""
        async with self.session.request(method, f"{self.http}/api/v1/{path}", json=body) as answer:
            text = await answer.text()
            answer.raise_for_status()
            return json.loads(text) if text else None

    async def status(self) -> dict[str, Any]:
        """Return the fleet's status; empty if the controller does not answer."""
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            return await self.ask("GET", "status")
        return {}

    async def cameras(self) -> dict[str, dict[str, Any]]:
        """Return the cameras by id; empty if the controller does not answer."""
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            return {camera["id"]: camera for camera in (await self.ask("GET", "cameras"))["cameras"]}
        return {}

    async def until(self, what: str, true: Callable[[], Any], within_s: float = STARTS_WITHIN_S) -> None:
        """Wait until `await true()` is. Raises `RunFailedError` that names `what`."""
        deadline = time.monotonic() + within_s
        while not await true():
            if time.monotonic() >= deadline:
                raise RunFailedError(f"not within {within_s:.0f} s: {what}; status: {await self.status()}")
            await asyncio.sleep(POLL_S)

    async def live(self) -> bool:
        """Return whether every camera is live where it is."""
        cameras = (await self.cameras()).values()
        return bool(cameras) and all(
            one["status"]["state"] == "live" and not one["place"]["previous"] for one in cameras
        )

    async def has_engines(self) -> bool:
        """Return whether every node has an engine."""
        engines = (await self.status()).get("engines", ())
        return sum(engine["state"] == "running" for engine in engines) >= len(self.nodes)

    async def endpoints(self) -> list[str]:
        """Return where each engine publishes."""
        return [engine["address"]["endpoint"] for engine in (await self.status())["engines"] if engine["address"]]

    async def pid(self, engine: str) -> int:
        """Return the process of an engine."""
        actor: Any = ray.get_actor(PREFIX + engine, NAMESPACE)
        return (await actor.describe.remote())["pid"]

    def signal_node(self, node: str, number: signal.Signals) -> None:
        """Send a signal to all processes of a node: its raylet, agents and workers."""
        for infos in self.nodes[node].all_processes.values():
            for pid in [pid for info in infos for pid in _family(info.process.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)


def _family(pid: int) -> list[int]:
    """Return a process and all that it has begun."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [one for child in task.read_text().split() for one in _family(int(child))]
    return found


@asynccontextmanager
async def local_fleet(
    nodes: int, cameras: Mapping[str, str], settings: Mapping[str, Any] | None = None
) -> AsyncGenerator[LocalFleet]:
    """Start Ray, the controller and an engine on each node, and wait until all cameras are live.

    `cameras`: sources by id. `settings`: of `fleet.yaml`.
    """
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory(prefix="fleet") as folder:
        (dashboard,) = _free_ports(1)  # another Ray on this machine may have the usual one
        head = {"num_cpus": 0, "resources": {HEAD: 1}, "object_store_memory": OBJECT_STORE_BYTES}
        cluster = Cluster(initialize_head=True, head_node_args={**head, "dashboard_port": dashboard})
        try:
            made = [
                cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES, node_name=f"node-{number}")
                for number in range(1, nodes + 1)
            ]
            ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
            config = Path(folder, "fleet.yaml")
            config.write_text(yaml.safe_dump(_settings(nodes, folder) | dict(settings or {})))  # noqa: ASYNC240
            actor = controller_actor.make(config, HEAD)
            addresses = await controller_actor.started(actor)
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
                names = {f"node-{number}": node for number, node in enumerate(made, 1)}
                directory = addresses["directory"].removeprefix("tcp://")
                fleet = LocalFleet(cluster, names, addresses["http"], directory, session)
                await fleet.until("an engine on each node", fleet.has_engines)
                for name, source in cameras.items():  # one after the other, so that every engine gets some
                    await fleet.ask("PUT", f"cameras/{name}", {"source": source, "expected_mpx": EXPECTED_MPX})
                await fleet.until("all cameras live", fleet.live)
                yield fleet
        finally:
            ray.shutdown()
            cluster.shutdown()


def _settings(nodes: int, folder: str) -> dict[str, Any]:
    http, directory, replay = _free_ports(3)  # a controller that is started again has the same ones
    controller = {
        "directory": f"tcp://127.0.0.1:{directory}",
        "replay": f"tcp://127.0.0.1:{replay}",
        "http": {"bind": f"127.0.0.1:{http}", "requests_per_second": 1000},
        "store": f"{folder}/fleet.db",
    }
    return {
        "controller": controller,
        "engines": {"least": nodes, "most": nodes + 2, "reserve": 0},
        "engine": {"model": {"profile": "free"}},
        "cameras": [],
    }


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
