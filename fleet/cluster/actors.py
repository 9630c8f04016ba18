"""The fleet's Ray actors. Each keeps processes running that are not Ray's.

They keep running when the actor ends. `partstream fleet down` stops them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import ray

from fleet.agent.agent import Agent
from fleet.agent.detached_process import DetachedProcess
from fleet.agent.keeper import Keeper
from fleet.agent.node import agent_of, coordinator_process
from fleet.cluster.raylet import CONFIG_VARIABLE, DIRECTORY_VARIABLE, NODE_VARIABLE
from fleet.settings import load
from telemetry import logs


class _Loop:
    """An event loop in a thread of its own, so that calls of the actor and its work do not wait for each other."""

    def __init__(self, name: str) -> None:
        logs.configure(json=False, level="info", ffmpeg=False)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name=name, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class CoordinatorActor:
    """Keeps the coordinator's process running on the head."""

    def __init__(self) -> None:
        self._loop = _Loop("coordinator")
        path = Path(os.environ[CONFIG_VARIABLE])
        self._keeper: Keeper = self._loop.run(_kept(coordinator_process(load(path), path, _directory())))

    def alive(self) -> int | None:
        """Return the coordinator's pid; None while it does not run."""
        return None if self._keeper.running is None else self._keeper.running.pid


class AgentActor:
    """Keeps the engines of its node running. `head` is the host on which the coordinator runs."""

    def __init__(self, head: str) -> None:
        self._loop = _Loop("agent")
        config = Path(os.environ[CONFIG_VARIABLE])
        self._agent: Agent = self._loop.run(_started(config, head))

    def alive(self) -> list[dict[str, Any]]:
        """Return what is known of the engines' processes."""
        return self._agent.status()


async def _kept(process: DetachedProcess) -> Keeper:
    keeper = Keeper(process)
    keeper.start()
    return keeper


async def _started(config: Path, head: str) -> Agent:
    agent = agent_of(load(config), os.environ[NODE_VARIABLE], head, ray.util.get_node_ip_address(), _directory())
    agent.start()
    return agent


def _directory() -> Path:
    return Path(os.environ[DIRECTORY_VARIABLE])
