"""Telling the coordinator of runs of engines: that one was started, which will join only when it has loaded its model,
that one is about to be restarted, and that one has ended, which the coordinator would otherwise learn from the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

import aiohttp

logger = logging.getLogger(__name__)

TELL_FOR_S = 10.0
"""By then the run's lease is over, and the coordinator knows."""
RESTARTING_FOR_S = 2.0
"""Before an engine is stopped: it is stopped all the same if the coordinator is away."""
STARTED_FOR_S = 60.0
"""A head's coordinator may be started at the same time as its engine."""
AGAIN_AFTER_S = 0.25
INVALID = 422
"""Status of a request with a field that the coordinator does not know."""


class EndedRuns:
    """Tells the coordinator at `address`, `http://host:port`, of runs on this node that ended or were started."""

    def __init__(self, address: str, token: str | None, node: str) -> None:
        self._address = address
        self._node = node
        self._headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}

    async def __call__(self, engine: str, run: str, end: Mapping[str, str]) -> None:
        """Tell of one that ended, again until there is an answer or the lease is over for certain."""
        known = {"engine": engine, "run": run}
        try:
            status = await self._tell({**known, "node": self._node, **end}, TELL_FOR_S)
            if status == INVALID and end:  # a coordinator of an earlier release does not know how it ended
                status = await self._tell(known, TELL_FOR_S)
        except TimeoutError:
            logger.warning("the coordinator at %s could not be told that engine %s ended", self._address, engine)
            return
        if status >= 400:
            logger.warning("the coordinator refuses to be told that engine %s ended: %d", engine, status)

    async def started(self, engine: str, run: str) -> None:
        """Tell of one that was started. If this fails, the engine is only not shown before it has joined."""
        body = {"engine": engine, "run": run, "state": "started", "node": self._node}
        with contextlib.suppress(TimeoutError):
            await self._tell(body, STARTED_FOR_S)

    async def restarting(self, engine: str, run: str) -> None:
        """Tell of one that will be stopped and started again. If this fails, it only seems to have stopped."""
        with contextlib.suppress(TimeoutError):
            await self._tell({"engine": engine, "run": run, "state": "restarting"}, RESTARTING_FOR_S)

    async def has_joined(self, engine: str, run: str) -> bool | None:
        """Return whether a run of an engine has joined the fleet; None if the coordinator does not tell."""
        try:
            async with (
                asyncio.timeout(RESTARTING_FOR_S),
                aiohttp.ClientSession(headers=self._headers) as session,
                session.get(f"{self._address}/api/v1/fleet/engines") as answer,
            ):
                if answer.status != 200:
                    return None
                found = (await answer.json())["engines"]
                return any((one["engine"], one["run"]) == (engine, run) and one["state"] != "lost" for one in found)
        except (aiohttp.ClientError, OSError):  # also a timeout
            return None
        except (ValueError, LookupError, TypeError):  # another server has the address
            return None

    async def _tell(self, body: Mapping[str, str], for_s: float) -> int:
        """Return the status of the answer, below 500. Raises `TimeoutError` if there is none in time."""
        async with asyncio.timeout(for_s), aiohttp.ClientSession(headers=self._headers) as session:
            while True:
                try:
                    async with session.post(f"{self._address}/api/v1/fleet/engines", json=body) as answer:
                        if answer.status < 500:
                            return answer.status
                except TimeoutError:
                    raise
                except (aiohttp.ClientError, OSError):
                    pass
                await asyncio.sleep(AGAIN_AFTER_S)
