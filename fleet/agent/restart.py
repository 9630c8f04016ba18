"""Restarting a node's coordinator, or its engines: one after the other, so that each can take the cameras of the one
before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from fleet.agent.detached_process import DetachedProcess
from fleet.agent.ended_runs import EndedRuns

logger = logging.getLogger(__name__)

STARTS_WITHIN_S = 35.0
"""An agent waits for up to 30 s before it starts an engine again that has ended several times."""
JOINS_WITHIN_S = 180.0
EVERY_S = 0.5


async def restart(processes: Iterable[DetachedProcess], coordinator: EndedRuns | None) -> tuple[list[str], bool]:
    """Stop each process that runs, and wait until its agent has started it, and it has joined the fleet again.

    `coordinator` is told of it, and asked whether it has joined; None: it is not, because these are no engines, or it
    has no HTTP server. Returns the names of those that were stopped, and whether all came back: after one that did not,
    no other is stopped.
    """
    names: list[str] = []
    for process in processes:
        if (found := process.adopt()) is None:
            continue
        names.append(process.name)
        if coordinator is not None:
            await coordinator.restarting(process.name, found.run)
        await found.stop()
        logger.info("%s is stopped", process.title)
        if not await _comes_back(process, found.run, coordinator):
            return names, False
    return names, True


async def _comes_back(engine: DetachedProcess, before: str, coordinator: EndedRuns | None) -> bool:
    if not await _is_started(engine, before):
        logger.error("%s is not started again: does `partstream fleet up` run here?", engine.title)
        return False
    if coordinator is None:
        logger.info("%s is started again", engine.title)
        return True
    logger.info("%s is started again, and loads its model", engine.title)
    return await _joins(engine, coordinator)


async def _is_started(engine: DetachedProcess, before: str) -> bool:
    for _ in range(round(STARTS_WITHIN_S / EVERY_S)):
        if engine.is_running() and _run(engine) not in ("", before):
            return True
        await asyncio.sleep(EVERY_S)
    return False


async def _joins(engine: DetachedProcess, coordinator: EndedRuns) -> bool:
    for _ in range(round(JOINS_WITHIN_S / EVERY_S)):
        joined = await coordinator.has_joined(engine.name, _run(engine))
        if joined is None:
            logger.warning("the coordinator does not tell whether %s has joined again", engine.title)
            return True
        if joined:
            logger.info("%s has joined again", engine.title)
            return True
        await asyncio.sleep(EVERY_S)
    logger.error("%s has not joined again after %.0f s: see %s", engine.title, JOINS_WITHIN_S, engine.log)
    return False


def _run(engine: DetachedProcess) -> str:
    last = engine.last()
    return "" if last is None else last.run
