"""A fleet's controller without Ray: its engines are objects of this process, which it reaches as it reaches actors."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import ray
from msgspec.structs import replace
from ray.exceptions import RayError

import fleet.controller as controller_module
import fleet.engines as engines_module
from fleet.controller import Controller
from fleet.controller_actor import ControllerService
from fleet.engine_actor import EngineActor
from fleet.engines import Engine, Engines
from fleet.sealing import Opener
from fleet.settings import FleetConfig
from stream.membership.messages import Assigned, CameraReport, EngineReport, EngineStatus, decode_assignment, encode
from stream.results import EngineAddress
from support.engines.controlled_engine import Client

ANY = "tcp://127.0.0.1:0"
EVERY_S = 0.02
"""How often the controller does what is due, and asks engines."""
EVERY = (engines_module, "ASK_EVERY_S"), (engines_module, "AGAIN_S")
EVERY += (controller_module, "TICK_S"), (controller_module, "NEEDED_FOR_S")


def described(name: str, key: bytes) -> dict[str, Any]:
    """Return what an engine `engine-N` tells of itself: it is on the node `node-N`, which has the label `zone=N`."""
    number = name.rpartition("-")[2]
    tags = ["CPU", f"node:10.0.0.{number}", f"zone={number}"]
    return {"key": key, "pid": 1, "node": f"node-{number}", "host": "127.0.0.1", "tags": tags}


class SimulatedEngine:
    """An engine that has what it is assigned, at once. It tells its `report`, and of each camera that of `camera`."""

    starts = True
    """Whether it has loaded its model."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: dict[str, Any] = {}
        """Its configuration and identity."""
        self.cameras: dict[str, Assigned] = {}
        self.number = 0
        self.report = EngineReport(100.0, 64)
        self.camera = CameraReport(0, "live", 20.0, 10.0)
        self._opener = Opener()
        self._run = secrets.token_hex(16)
        self._ended = asyncio.get_running_loop().create_future()

    @property
    def generations(self) -> dict[str, int]:
        """The cameras that it has."""
        return {} if self.camera.refused else {name: one.generation for name, one in self.cameras.items()}

    async def describe(self) -> dict[str, Any]:
        return described(self.name, self._opener.public_key)

    async def run(self, sealed: bytes) -> None:
        self.told = self.told or json.loads(self._opener.open(sealed))
        await asyncio.shield(self._ended)

    async def assign(self, sealed: bytes) -> None:
        assignment = decode_assignment(self._opener.open(sealed))
        if assignment.number > self.number and self.starts:
            self.number, self.cameras = assignment.number, assignment.cameras

    async def status(self, controller_ms: float) -> bytes | None:
        if not self.starts or not self.told:
            return None
        node = described(self.name, b"")["node"]
        http = f"http://127.0.0.1:9{node[-1]}"
        address = EngineAddress(self.name, node, self._run, f"tcp://{node}:5555", f"tcp://{node}:5556", http=http)
        cameras = {name: replace(self.camera, generation=one.generation) for name, one in self.cameras.items()}
        return encode(EngineStatus(address, self.report, cameras, self.number))

    async def stop(self) -> None:
        self.ends()

    def ends(self, why: str = "") -> None:
        """End, with this error if there is one."""
        if not self._ended.done():
            self._ended.set_exception(RuntimeError(why)) if why else self._ended.set_result(None)


class RealEngine(EngineActor):
    """A real engine, in this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._opener = Opener()
        self._engine = None
        self._running = None

    async def describe(self) -> dict[str, Any]:
        return described(self.name, self._opener.public_key)

    async def stop(self) -> None:
        if self._engine is not None and self._running is not None:
            await self._engine.stop()
            await self._running


class Handle:
    """The handle of an actor. While it is `paused`, or not `placed` on a node, nothing is answered."""

    def __init__(self, actor: Any, placed: Callable[[], bool]) -> None:
        self.actor = actor
        self.placed = placed
        self.paused = False
        self.dead = asyncio.get_running_loop().create_future()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.actor, name)

        def remote(*arguments: object) -> asyncio.Future[Any]:
            answer = asyncio.ensure_future(self._answer(call, arguments))
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            return answer

        return mock.Mock(spec=["remote"], remote=remote)

    async def _answer(self, call: Callable[..., Any], arguments: tuple[object, ...]) -> Any:
        while (self.paused or not self.placed()) and not self.dead.done():
            await asyncio.sleep(EVERY_S)
        answer = asyncio.ensure_future(call(*arguments))
        await asyncio.wait({answer, self.dead}, return_when=asyncio.FIRST_COMPLETED)
        if self.dead.done():
            answer.cancel()
            raise RayError("The actor died unexpectedly before finishing this task.\n\tits worker process has died.")
        try:
            return answer.result()
        except Exception as error:
            raise RayError(f"ray::{self.actor.name}\nTraceback\n{error}") from error

    def kill(self) -> None:
        """End the actor. Any thread may call this."""
        self.dead.get_loop().call_soon_threadsafe(lambda: self.dead.done() or self.dead.set_result(None))


class LocalCluster:
    """Has the actors, also while no controller is there. Engines beyond `nodes` wait for a node.

    `kind` makes an engine of a name.
    """

    def __init__(self, kind: Callable[[str], Any] = SimulatedEngine, nodes: int = 9) -> None:
        self.handles: dict[str, Handle] = {}
        self.nodes = nodes
        self.service: ControllerService
        """The controller that runs, with its HTTP server."""
        self._kind = kind

    def __getitem__(self, engine: str) -> Any:
        return self.handles[engine].actor

    def made(self, name: str, pin: str | None) -> Handle:
        """Return the handle of a new actor, or of the one with this name that lives."""
        if name not in self.handles or self.handles[name].dead.done():
            fits = pin in (None, *described(name, b"")["tags"])
            self.handles[name] = Handle(self._kind(name), lambda: fits and int(name.rpartition("-")[2]) <= self.nodes)
        return self.handles[name]

    def having(self) -> dict[str, str]:
        """Return which engine has each camera; while it moves, the new one."""
        living = {name: one.actor.generations for name, one in self.handles.items() if not one.dead.done()}
        found = [(number, camera, name) for name, has in living.items() for camera, number in has.items()]
        return {camera: name for _, camera, name in sorted(found)}

    async def close(self) -> None:
        """End all actors."""
        for handle in self.handles.values():
            handle.kill()
        await asyncio.gather(*(handle.actor.stop() for handle in self.handles.values()))


class LocalEngines(Engines):
    """Makes actors of this process."""

    def __init__(self, cluster: LocalCluster, *more: Any) -> None:
        super().__init__(*more)
        self._cluster = cluster
        self._loop = asyncio.get_running_loop()

    def adopt(self) -> None:
        for name, handle in self._cluster.handles.items():
            if not handle.dead.done():
                self._begin(Engine(name, handle=handle))

    def _actor(self, engine: Engine) -> Any:
        async def made() -> Handle:
            return self._cluster.made(engine.name, engine.pin)

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result()  # this runs in a thread


def cameras(count: int, **settings: Any) -> list[dict[str, Any]]:
    """Return the settings of cameras c0, c1 …"""
    return [{"id": f"c{number}", "source": "pattern:", **settings} for number in range(count)]


def configured(folder: Path, *, http: Mapping[str, Any] | None = None, **more: Any) -> FleetConfig:
    """Return the configuration of a fleet whose controller keeps its store in this folder. It has one engine."""
    own = {"bind": "127.0.0.1:0", "requests_per_second": 1e5, **(http or {})}
    controller = {"directory": ANY, "replay": ANY, "store": folder / "fleet.db", "http": own}
    return FleetConfig.model_validate({"controller": controller, "engines": {"reserve": 0}, **more})


@asynccontextmanager
async def serving(
    config: FleetConfig, cluster: LocalCluster | None = None, token: str | None = None, *, leaves: bool = False
) -> AsyncGenerator[tuple[Controller, Client, LocalCluster]]:
    """Run a controller with its HTTP server, a client that sends `token`, and a cluster, which it perhaps `leaves`."""
    own = cluster or LocalCluster()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with ExitStack() as patches:
        for module, name in EVERY:
            patches.enter_context(mock.patch.object(module, name, EVERY_S))
        patches.enter_context(mock.patch.object(controller_module, "Engines", lambda *of: LocalEngines(own, *of)))
        patches.enter_context(mock.patch.object(ray, "kill", Handle.kill))
        service = own.service = ControllerService(config)
        await service.start()
        try:
            async with aiohttp.ClientSession(
                headers=headers, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
            ) as session:
                yield service.controller, Client(session, service.controller.http), own
        finally:
            await service.stop()
            if not leaves:
                await own.close()
