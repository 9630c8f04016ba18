"""The Ray actor that runs one engine in its process.

It is made by the controller, which then sends it the engine's configuration and cameras, sealed: they contain
passwords, and Ray's arguments can be read by others. It ends with its node. Ray does not start it again, because the
controller learns of an end at once and makes another one; a restart by Ray would delay that by a second.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any

import ray
from ray.actor import exit_actor

from fleet.sealing import Opener
from stream.descriptors import raise_limit
from stream.membership.messages import decode_assignment, encode
from telemetry import logs

if TYPE_CHECKING:
    from stream.engine import Engine

logger = logging.getLogger(__name__)

NAMESPACE = "partstream"


class EngineActor:
    """One engine. The controller calls its methods; all of them run in the actor's event loop."""

    def __init__(self) -> None:
        logs.configure(json=True)
        raise_limit()
        self._opener = Opener()
        self._engine: Engine | None = None
        self._running: asyncio.Task[None] | None = None

    async def describe(self) -> dict[str, Any]:
        """Return the process' public key, and name, address and tags of its node: what cameras may be pinned to."""
        return {"key": self._opener.public_key, "pid": os.getpid(), **await asyncio.to_thread(_node)}

    async def run(self, sealed: bytes) -> None:
        """Run the engine of a sealed configuration until it is stopped. Raises what ends it.

        If it runs already, for an earlier controller, only wait. The message is JSON: `engine`, the configuration;
        `name`, `node` and `host`, of its identity; `capacity`.
        """
        if self._running is None:
            self._running = asyncio.create_task(self._run(json.loads(self._opener.open(sealed))))
        await asyncio.shield(self._running)

    async def _run(self, startup: dict[str, Any]) -> None:
        from stream.cameras.fleet_member import Identity  # here, because the controller does without
        from stream.config import Config
        from stream.engine import Engine

        identity = Identity(startup["name"], startup["node"], startup["host"], startup["capacity"])
        async with Engine(Config.model_validate(startup["engine"]), fleet=identity) as engine:
            self._engine = engine
            try:
                await engine.wait()
            finally:
                self._engine = None

    async def assign(self, sealed: bytes) -> None:
        """Have the cameras of a sealed `Assignment` and no others."""
        if self._engine is not None and (member := self._engine.member) is not None:
            await member.assign(decode_assignment(self._opener.open(sealed)))

    async def status(self, controller_ms: float) -> bytes | None:
        """Return an `EngineStatus` as JSON; None while the engine is starting or stopping."""
        engine = self._engine
        return None if engine is None or engine.member is None else encode(engine.member.status(controller_ms))

    async def stop(self) -> None:
        """Stop the engine in order, and end the process."""
        if self._engine is not None:
            await self._engine.stop()
        exit_actor()


def _node() -> dict[str, Any]:
    """Return name, address and tags of the node. Blocks."""
    own = ray.get_runtime_context().get_node_id()
    node = next(node for node in ray.nodes() if node["NodeID"] == own)
    labels = [f"{key}={value}" for key, value in node.get("Labels", {}).items()]
    return {
        "node": node.get("NodeName") or node["NodeManagerHostname"],
        "host": node["NodeManagerAddress"],
        "tags": sorted([*node["Resources"], *labels]),
    }
