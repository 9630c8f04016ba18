"""Telling the coordinator that a run of an engine has ended, which it would otherwise learn from the lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import aiohttp

logger = logging.getLogger(__name__)

TELL_FOR_S = 10.0
"""By then the run's lease is over, and the coordinator knows."""
AGAIN_AFTER_S = 0.25


class EndedRuns:
    """Tells the coordinator at `address`, `http://host:port`, of runs that ended."""

    def __init__(self, address: str, token: str | None) -> None:
        self._address = address
        self._headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}

    async def __call__(self, engine: str, run: str) -> None:
        """Tell of one, again until there is an answer or the lease is over for certain."""
        try:
            async with asyncio.timeout(TELL_FOR_S):
                async with aiohttp.ClientSession(headers=self._headers) as session:
                    while True:
                        if await self._told(session, engine, run):
                            return
                        await asyncio.sleep(AGAIN_AFTER_S)
        except TimeoutError:
            logger.warning("the coordinator at %s could not be told that engine %s ended", self._address, engine)

    async def _told(self, session: aiohttp.ClientSession, engine: str, run: str) -> bool:
        try:
            url = f"{self._address}/api/v1/fleet/engines"
            async with session.post(url, json={"engine": engine, "run": run}) as answer:
                if answer.status >= 400:
                    logger.warning("the coordinator refuses to be told that engine %s ended: %d", engine, answer.status)
                return answer.status < 500
        except (aiohttp.ClientError, OSError):
            return False
