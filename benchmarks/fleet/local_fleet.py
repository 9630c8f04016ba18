"""A fleet on this machine: Ray with several nodes, one engine on each, and the controller on a head without engines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import ray
import yaml

from benchmarks.run_once import RunFailedError
from fleet import controller_actor
from fleet.controller_actor import HEAD
from fleet.engine_actor import NAMESPACE
from fleet.engines import PREFIX

EXPECTED_MPX = 0.6
STARTS_WITHIN_S = 120.0
POLL_S = 0.02
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}
"""As docs/fleet.md recommends, but without a token."""
NODE = ["--object-store-memory", str(80 << 20), "--node-ip-address", "127.0.0.1"]
NODE += ["--min-worker-port", "0", "--max-worker-port", "0", "--dashboard-agent-listen-port", "0"]  # any


class Nodes:
    """Nodes of Ray on this machine, each with a `ray start` that stays until it is killed."""

    def __init__(self, folder: str, storage: str | None = None) -> None:
        """`folder`: for Ray's files. `storage`: where the head keeps its state, `redis` or `rocksdb`; None: nowhere."""
        port, dashboard, clients = _free_ports(3)
        self.address, self.dashboard = f"127.0.0.1:{port}", f"127.0.0.1:{dashboard}"
        self._ports = f"--port={port}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={clients}"
        self.folder = Path(folder)
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._storage: dict[str, str] = {}
        if storage == "rocksdb":
            self._storage = {"RAY_gcs_storage": storage, "RAY_gcs_storage_path": f"{folder}/gcs"}
        elif storage == "redis":
            (port,) = _free_ports(1)
            self._storage = {"RAY_REDIS_ADDRESS": f"127.0.0.1:{port}"}
            redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
            self._running["redis"] = subprocess.Popen(redis, stdout=subprocess.DEVNULL, text=True)

    def start_head(self, *options: str, **environment: str) -> None:
        """Start the head, without room for an engine. It has the same ports each time."""
        (self.folder / "ray_current_cluster").unlink(missing_ok=True)  # or it would refuse to start again
        own = ["--head", *self._ports, "--num-cpus", "0", "--resources", json.dumps({HEAD: 1})]
        self.start("head", *own, *options, **self._storage, **environment)

    def start(self, name: str, *options: str, **environment: str) -> None:
        """Start a node, and return when it runs. Raises `RunFailedError` with its output."""
        command = [Path(sys.executable).with_name("ray"), "start", "--block", "--node-name", name, *NODE, *options]
        command += ["--temp-dir", str(self.folder)]
        node = subprocess.Popen(command, env=os.environ | environment, stdout=-1, stderr=-2, text=True)
        self._running[name] = node
        assert node.stdout is not None
        lines: list[str] = []
        for line in node.stdout:
            if "Ray runtime started" in line:
                return
            lines.append(line)
        raise RunFailedError("".join(lines))

    def kill(self, *names: str) -> None:
        """End these nodes or all at once. In order, Ray would take a minute."""
        for name in names or self._running:
            self.signal(name, signal.SIGKILL)
            self._running[name].wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to all processes of a node: `ray start`, raylet, agents and workers."""
        for pid in _family(self._running[name].pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@dataclass(slots=True)
class LocalFleet:
    """A fleet that runs. `status` and `ask` use the controller's HTTP API."""

    nodes: Nodes
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

    async def add(self, camera: str, source: str) -> None:
        """Add a camera."""
        await self.ask("PUT", f"cameras/{camera}", {"source": source, "expected_mpx": EXPECTED_MPX})

    async def status(self) -> dict[str, Any]:
        """Return the fleet's status. Raises as `ask`."""
        return await self.ask("GET", "status")

    async def cameras(self) -> dict[str, dict[str, Any]]:
        """Return the cameras by id. Raises as `ask`."""
        return {camera["id"]: camera for camera in (await self.ask("GET", "cameras"))["cameras"]}

    async def until(self, what: str, true: Callable[[], Any], within_s: float = STARTS_WITHIN_S) -> None:
        """Wait until `await true()` is; it may fail. Raises `RunFailedError` that names `what`."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                if await true():
                    return
            await asyncio.sleep(POLL_S)
        raise RunFailedError(f"not within {within_s:.0f} s: {what}")

    async def live(self) -> bool:
        """Return whether every camera is live where it is."""
        cameras = (await self.cameras()).values()
        return bool(cameras) and all(
            one["status"]["state"] == "live" and not one["place"]["previous"] for one in cameras
        )

    async def has_engines(self) -> bool:
        """Return whether all engines run that the fleet needs."""
        status = await self.status()
        return sum(engine["state"] == "running" for engine in status["engines"]) >= status["wanted_engines"]

    async def pid(self, engine: str) -> int:
        """Return the process of an engine."""
        actor: Any = ray.get_actor(PREFIX + engine, NAMESPACE)
        return (await actor.describe.remote())["pid"]


def _family(pid: int) -> list[int]:
    """Return a process and all that it has begun."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [one for child in task.read_text().split() for one in _family(int(child))]
    return found


@asynccontextmanager
async def local_fleet(nodes: int, cameras: Mapping[str, str], storage: str | None = None) -> AsyncGenerator[LocalFleet]:
    """Start Ray, the controller and an engine on each node, and wait until all cameras are live.

    `cameras`: sources by id. `storage`: of Ray's head, as for `Nodes`.
    """
    with mock.patch.dict(os.environ, ENVIRONMENT), tempfile.TemporaryDirectory(prefix="fleet") as folder:
        started = Nodes(folder, storage)
        try:
            started.start_head()
            for number in range(1, nodes + 1):
                started.start(f"node-{number}", "--address", started.address, "--num-cpus", "1")
            async with controlled(started, settings(nodes, folder)) as fleet:
                await fleet.until("an engine on each node", fleet.has_engines)
                for name, source in cameras.items():  # one after the other, so that every engine gets some
                    await fleet.add(name, source)
                await fleet.until("all cameras live", fleet.live)
                yield fleet
        finally:
            started.kill()


@asynccontextmanager
async def controlled(nodes: Nodes, given: Mapping[str, Any]) -> AsyncGenerator[LocalFleet]:
    """Connect to Ray and start the controller. `given`: what stands in `fleet.yaml`."""
    config = nodes.folder / "fleet.yaml"
    config.write_text(yaml.safe_dump(dict(given)))
    ray.init(address=nodes.address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    try:
        addresses = await controller_actor.started(controller_actor.make(config, HEAD))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            directory = addresses["directory"].removeprefix("tcp://")
            yield LocalFleet(nodes, addresses["http"], directory, session)
    finally:
        ray.shutdown()


def settings(nodes: int, folder: str) -> dict[str, Any]:
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
    }


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
