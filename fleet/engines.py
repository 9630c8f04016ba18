"""The engines of a fleet, as the controller has them: makes their actors, asks what they do, and notes their end.

Each engine has one task, from when its actor is made until this has ended. Ray places the actor: while no node has
room, the task waits, which is what Ray's autoscaler sees. Ray reports the actor's death at once; one that does not
answer for `SILENT_S`, because its node is paused or cut off, is killed and counts as dead.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import ray
from ray.exceptions import RayError

from fleet.engine_actor import NAMESPACE, EngineActor
from fleet.sealing import seal
from fleet.settings import FleetConfig
from stream.membership.messages import Assignment, EngineStatus, decode_status, encode
from stream.results import EngineAddress

logger = logging.getLogger(__name__)

PREFIX = "partstream-"
"""Begins the names of the engines' actors."""
ASK_EVERY_S = 1.0
SILENT_S = 3.0
STARTS_WITHIN_S = 600.0
"""Time for an engine to load its model and join."""
STOP_WITHIN_S = 5.0
AGAIN_S = 2.0
"""Time until an engine is made again that has ended before it joined."""

State = Literal["waiting", "starting", "running", "ended"]


@dataclass(slots=True)
class Engine:
    """An engine. `waiting`: for a node with room; `starting`: it loads its model."""

    name: str
    state: State = "waiting"
    since_s: float = field(default_factory=time.monotonic)
    """When the state began."""
    node: str = ""
    tags: frozenset[str] = frozenset()
    """Resources and labels of its node, to which cameras can be pinned."""
    status: EngineStatus | None = None
    heard_s: float = 0.0
    pin: str | None = None
    """The tag that its node must have; None: any."""
    wanted: Assignment | None = None
    """The last assignment; it is sent again if the engine's status has another number."""
    why: str = ""
    """Why it has ended."""
    key: bytes = b""
    handle: Any = None
    life: asyncio.Task[None] | None = None
    """Follows it to its end."""
    leaving: asyncio.Task[None] | None = None
    """Stops it; None while it is to go on."""

    @property
    def address(self) -> EngineAddress | None:
        """Where its results are; None before it has joined."""
        return self.status.address if self.status is not None else None

    def becomes(self, state: State) -> None:
        """Note a new state."""
        self.state, self.since_s = state, time.monotonic()


class Engines:
    """The engines by name. Its methods run in the controller's event loop, where it calls `reported` and `ended`."""

    def __init__(
        self, config: FleetConfig, reported: Callable[[Engine], None], ended: Callable[[Engine], None]
    ) -> None:
        self.all: dict[str, Engine] = {}
        self.ended: dict[str, Engine] = {}
        """Engines that have ended unexpectedly and have not joined since, by name."""
        self.lost = 0
        """How many have ended so."""
        self._config = config
        self._on_report = reported
        self._on_end = ended
        self._tasks: set[asyncio.Task[None]] = set()

    def adopt(self) -> None:
        """Take over the engines that an earlier controller has made."""
        actors: list[Any] = ray.util.list_named_actors(all_namespaces=True)
        for actor in actors:
            name = actor["name"]
            if actor["namespace"] == NAMESPACE and name.startswith(PREFIX):
                self._begin(Engine(name.removeprefix(PREFIX), handle=ray.get_actor(name, NAMESPACE)))

    def make(self, pin: str | None = None, name: str | None = None) -> None:
        """Make another engine, on a node with this tag. Unless it has a name, it gets the lowest free number."""
        numbers = (f"engine-{number}" for number in range(1, len(self.all) + 2))
        self._begin(Engine(name or next(number for number in numbers if number not in self.all), pin=pin))

    def assign(self, name: str, assignment: Assignment) -> None:
        """Tell an engine which cameras it is to have."""
        engine = self.all.get(name)
        if engine is not None and engine.state == "running":
            engine.wanted = assignment
            engine.handle.assign.remote(seal(encode(assignment), engine.key))

    def stop(self, name: str) -> asyncio.Task[None]:
        """Begin to stop an engine in order. Return what does this."""
        engine = self.all[name]
        if engine.leaving is None:
            logger.info("engine %s is stopped", name)
            engine.leaving = self._task(self._stop(engine))
        return engine.leaving

    async def _stop(self, engine: Engine) -> None:
        if engine.handle is None:
            if engine.life is not None:  # it is being made, and ends by itself
                await asyncio.wait({engine.life}, timeout=STOP_WITHIN_S)
        elif engine.state == "running":
            with suppress(RayError, TimeoutError):  # an actor that ends cannot answer
                await asyncio.wait_for(engine.handle.stop.remote(), STOP_WITHIN_S)
        await self._kill(engine)

    async def close(self) -> None:
        """Leave the engines running, and watch them no longer."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, engine: Engine) -> None:
        self.all[engine.name] = engine
        engine.life = self._task(self._live(engine))

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _live(self, engine: Engine) -> None:
        """Make an engine's actor if it is not there yet, and follow it to its end."""
        try:
            if engine.handle is None:
                engine.handle = await asyncio.to_thread(self._actor, engine)  # it waits for Ray's head
            if engine.leaving is not None:
                raise TimeoutError("it was stopped before it was made")
            described = await engine.handle.describe.remote()
            engine.key, engine.node, engine.tags = described["key"], described["node"], frozenset(described["tags"])
            engine.becomes("starting")
            following = [
                asyncio.create_task(self._run(engine, described["host"])),
                asyncio.create_task(self._ask(engine)),
            ]
            try:
                done, _ = await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in following:
                    task.cancel()
            for task in done:
                task.result()
            engine.why = "it has ended"
        except RayError as error:
            engine.why = reason(error)
        except TimeoutError as error:
            engine.why = str(error)
        except Exception as error:
            engine.why = str(error)
            logger.exception("engine %s can't be followed", engine.name)
        await self._kill(engine)
        joined = engine.status is not None
        engine.becomes("ended")
        if not joined and not engine.leaving:
            await asyncio.sleep(AGAIN_S)  # one that fails at its start would be made again and again
        del self.all[engine.name]
        if not engine.leaving:
            self.ended[engine.name] = engine
            self.lost += 1
        self._on_end(engine)

    def _actor(self, engine: Engine) -> Any:
        given = self._config.engines
        tag, is_label, value = (engine.pin or "").partition("=")
        return (
            ray.remote(EngineActor)
            .options(
                name=PREFIX + engine.name,
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=0,
                num_cpus=given.num_cpus,
                num_gpus=given.num_gpus,
                resources=given.resources | ({tag: 0.001} if tag and not is_label else {}),
                label_selector={tag: value} if is_label else {},
                scheduling_strategy="SPREAD",
            )
            .remote()
        )

    async def _run(self, engine: Engine, host: str) -> None:
        """Run the engine, unless it runs already. Raises what ends it."""
        settings = self._config.engine_settings(engine.name)
        # An engine that other machines reach has its node's address in its own.
        is_public = any(bound in settings["publish"]["endpoint"] for bound in ("0.0.0.0", "*", "[::]"))
        startup = {
            "engine": settings,
            "name": engine.name,
            "node": engine.node,
            "host": host if is_public else None,
            "capacity": self._config.engines.capacity,
        }
        await engine.handle.run.remote(seal(json.dumps(startup).encode(), engine.key))

    async def _ask(self, engine: Engine) -> None:
        """Ask the engine what it does, as long as it answers. Raises `TimeoutError` with a sentence."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            asked_s = time.monotonic()
            silent_s = SILENT_S if engine.status is not None else max(SILENT_S, deadline - asked_s)
            answer = asyncio.ensure_future(engine.handle.status.remote(1000 * time.monotonic()))
            try:  # loading a model can keep it from answering
                for _ in range(2):  # a stall of this loop uses up one of them: answers are read after its timers
                    await asyncio.wait({answer}, timeout=silent_s / 2)
                if not answer.done():
                    raise TimeoutError(f"it has been silent for {silent_s:.0f} s")
            finally:
                answer.cancel()
            body = answer.result()
            if body is not None:
                self._heard(engine, decode_status(body))
            elif asked_s >= deadline and engine.status is None:
                raise TimeoutError(f"it did not start within {STARTS_WITHIN_S:.0f} s")
            await asyncio.sleep(max(0.0, asked_s + ASK_EVERY_S - time.monotonic()))

    def _heard(self, engine: Engine, status: EngineStatus) -> None:
        engine.status, engine.heard_s = status, time.monotonic()
        if engine.state != "running":
            engine.becomes("running")
            self.ended.pop(engine.name, None)
            logger.info("engine %s on %s has joined, with %d cameras", engine.name, engine.node, len(status.cameras))
        self._on_report(engine)
        if engine.wanted is not None and status.assignment != engine.wanted.number:
            self.assign(engine.name, engine.wanted)  # a message was lost

    async def _kill(self, engine: Engine) -> None:
        """End the actor's process. While Ray's head is away, this is tried again."""
        while engine.handle is not None:
            try:
                return await asyncio.to_thread(ray.kill, engine.handle)
            except RayError as error:
                logger.warning("engine %s can't be ended yet: %s", engine.name, reason(error))
                await asyncio.sleep(AGAIN_S)


def reason(error: RayError) -> str:
    """Return the last line of an error of Ray's, which holds what the engine raised."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
