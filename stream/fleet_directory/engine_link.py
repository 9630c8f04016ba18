"""A reader's connection to one engine of a fleet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import zmq.asyncio

from stream.messaging.curve.keys import ClientKeys
from stream.messaging.gaps import Filling, Hole
from stream.messaging.replay_client import ReplayClient, ReplayPage, ReplayUnavailableError
from stream.results import EngineAddress, Message
from stream.subscription.engine_subscription import EngineSubscription

ANSWER_S = 0.3
"""Time within which an engine must answer when a camera has left it; messages from the new engine wait as long."""
ASK_AGAIN_S = 5.0
"""Time for which an engine that did not answer is not asked, so that only one of its cameras waits."""
PAGE = 100
"""Messages requested at a time."""
DRAIN_POLL_S = 0.005
TURNS = 10
"""Turns of the event loop that an answer needs from the socket to its reader. A reader that kept the loop busy for
longer than `ANSWER_S` must not take an answer for missing."""


@dataclass(frozen=True, slots=True)
class LinkKey:
    """What makes another connection necessary if it changes."""

    endpoint: str
    replay: str
    key: str | None

    @classmethod
    def of(cls, address: EngineAddress) -> LinkKey:
        """Return the key for an engine's address."""
        return cls(address.endpoint, address.replay, address.key)


class EngineLink:
    """The subscription to one engine, the cameras that it is followed for, and requests when they move.

    It owns the sockets, which `close` closes.
    """

    def __init__(
        self,
        address: EngineAddress,
        subscription: EngineSubscription[Message],
        context: zmq.asyncio.Context,
        replay: str,
        keys: ClientKeys | None,
    ) -> None:
        self.key = LinkKey.of(address)
        self.engine = address.engine
        self.run = address.run
        self.subscription = subscription
        self.cameras: set[str] = set()
        self.reading: asyncio.Task[None] | None = None
        self.passed = 0
        """Messages read so far."""
        self.waits_for_room = False
        """Whether the reading waits until messages are taken from the queue."""
        self.waits_for_handover = False
        """Whether the reading waits for the end of a handover, because too many messages are held."""
        self.closed = False
        self._client = ReplayClient(context, replay, 10 * ANSWER_S, keys)
        self._lock = asyncio.Lock()
        self._ask_again_at = 0.0

    async def drain(self, enough: Callable[[], bool]) -> bool:
        """Wait until everything that has arrived so far was read.

        Ends sooner if the reading waits for a handover, so that handovers do not wait for each other, or if it waits
        for the caller and it is `enough`: what was not read yet can be requested. Returns False if nothing was read
        for `ANSWER_S` without such a wait: a gap is being filled, and its messages are not in order yet.
        """
        clock = asyncio.get_running_loop().time
        passed, since = self.passed, clock()
        while not (self.subscription.drained or self.waits_for_handover or (self.waits_for_room and enough())):
            if self.closed:
                return False
            await asyncio.sleep(DRAIN_POLL_S)
            if self.passed != passed or self.waits_for_room:
                passed, since = self.passed, clock()
            elif clock() - since >= ANSWER_S:
                return False
        return True

    async def fill(self, hole: Hole, take: Callable[[bytes], Awaitable[bool]]) -> tuple[Filling, bool]:
        """Request the messages of a hole. Return what was found, and whether the engine answered.

        `take` gets each body, and returns whether it is one of those missing.
        """
        filling = Filling.of(hole)
        async with self._lock:
            if self.closed or time.monotonic() < self._ask_again_at:
                return filling, False
            while wanted := filling.wants(PAGE):
                page = await self._page(filling, wanted)
                if page is None or page.end.status not in ("ok", "too_old"):
                    return filling, False
                if page.end.next_seq <= filling.cursor:
                    break
                for body in page.bodies:
                    filling.replayed += await take(body)
                filling.advance(page.end.next_seq)
        return filling, True

    async def _page(self, filling: Filling, wanted: int) -> ReplayPage | None:
        hole = filling.hole
        asking = asyncio.ensure_future(self._client.fetch(hole.topic, hole.run, hole.epoch, filling.cursor, wanted))
        try:
            await asyncio.wait({asking}, timeout=ANSWER_S)
            for _ in range(TURNS):
                if asking.done():
                    break
                await asyncio.sleep(0)
            else:
                self._ask_again_at = time.monotonic() + ASK_AGAIN_S
                return None
            return asking.result()
        except ReplayUnavailableError:
            self._ask_again_at = time.monotonic() + ASK_AGAIN_S
            return None
        finally:
            asking.cancel()

    def close(self) -> None:
        """Close the sockets at once, and end the reading."""
        self.closed = True
        if self.reading is not None:
            self.reading.cancel()
        self.subscription.close()
        self._client.close()
