"""What `partstream fleet up` tells of the processes that are not its own: engines and the coordinator.

Their agents run in Ray's workers, whose logs hardly anyone reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from fleet.agent.detached_process import DetachedProcess
from fleet.agent.node import coordinator_url, known_head, told_runs
from fleet.settings import FleetConfig

logger = logging.getLogger(__name__)

EVERY_S = 1.0
SLOW_AFTER = 120
"""Looks at the node after which engines that have not joined are named."""


class NodeWatch:
    """Logs when the node's processes start and end, and once when all its engines have joined."""

    def __init__(
        self,
        config: FleetConfig,
        node: str,
        engines: Sequence[DetachedProcess],
        coordinator: Sequence[DetachedProcess] = (),
    ) -> None:
        self._config = config
        self._node = node
        self._engines = engines
        self._coordinator = coordinator
        self._runs: dict[str, str] = {}
        """The run of each process that was seen; empty if it has ended."""
        self._looks = 0
        self._complete = False
        self._untold = False
        """Whether the coordinator did not tell, in the last look, whether an engine has joined."""

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            try:
                await self.look()
            except OSError as error:
                logger.warning("the processes of node %s can't be watched: %s", self._node, error)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Look at the node once."""
        self._looks += 1
        for process in (*self._coordinator, *self._engines):
            self._note(process)
        if not self._complete:
            missing = await self._missing()
            self._complete = not missing
            if self._complete:
                self._tell_complete()
            elif self._looks == SLOW_AFTER:
                self._tell_slow(missing)

    def _note(self, process: DetachedProcess) -> None:
        last = process.last() if process.is_running() else None
        run, before = ("" if last is None else last.run), self._runs.get(process.title)
        if run == (before or ""):
            return
        self._runs[process.title] = run
        if before:
            logger.warning("%s has ended. Its log is %s", process.title, process.log)
        if last is not None:
            how = "runs" if before is None else "is started again"
            logger.info("%s %s: process %d", process.title, how, last.pid)

    async def _missing(self) -> list[DetachedProcess]:
        """Return the engines that have not joined, as far as the coordinator tells."""
        head = known_head(self._config.cluster.state_directory / "engines")
        coordinator = None if head is None else told_runs(self._config, self._node, head)
        if coordinator is None:
            self._untold = head is not None  # it has no HTTP server
            return list(self._engines)
        missing: list[DetachedProcess] = []
        self._untold = False
        for engine in self._engines:
            run = self._runs.get(engine.title)
            joined = await coordinator.has_joined(engine.name, run) if run else False
            self._untold |= joined is None
            if not joined:
                missing.append(engine)
        return missing

    def _tell_slow(self, missing: Sequence[DetachedProcess]) -> None:
        if self._untold:
            logger.warning("the coordinator does not tell this node whether its engines have joined")
            return
        for engine in missing:
            if self._runs.get(engine.title):
                logger.warning("%s has not joined yet. Its log is %s", engine.title, engine.log)
            else:
                log = self._config.cluster.state_directory / "ray.log"
                logger.warning("%s has not been started yet. Ray's log is %s", engine.title, log)

    def _tell_complete(self) -> None:
        folder = self._config.cluster.state_directory
        head = known_head(folder / "engines") or ""
        logger.info(
            "node %s is complete: %s joined. Live page of the fleet: %s/; logs: %s and %s",
            self._node,
            " and ".join(engine.title for engine in self._engines),
            coordinator_url(self._config, head),
            folder / "*.log",
            folder / "engines" / "*.log",
        )
