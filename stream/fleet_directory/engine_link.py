"""A reader's connection to one engine of a fleet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import zmq.asyncio

from stream.messaging.curve.keys import ClientKeys
from stream.messaging.gaps import Filling, Hole
from stream.messaging.replay_client import ReplayClient, ReplayPage, ReplayUnavailableError
from stream.results import EngineAddress, Received
from stream.subscription.engine_subscription import EngineSubscription

ANSWER_S = 0.3
"""Time within which an engine must answer when a camera has left it; messages from the new engine wait as long."""
ASK_AGAIN_S = 5.0
"""Time for which an engine that did not answer is not asked, so that only one of its cameras waits."""
PAGE = 100
"""Messages requested at a time."""
MOST_PAGES = 100
"""Requests for one hole. An engine that goes on publishing may be faster than a slow reader takes its messages."""
DRAIN_POLL_S = 0.005
LEAST_DRAINED = 1000
"""Messages of an engine that are read at the beginning of a handover even if its queue is shorter: more may be in the
buffers of the connection."""
TURNS = 10
"""Turns of the event loop that an answer needs from the socket to its reader. A reader that kept the loop busy for
longer than `ANSWER_S` must not take an answer for missing."""


Taken = Literal["missing", "other", "later", "unusable"]
"""What a message of an answer is: one of those missing; one of those not wanted; the same, and so are all after it; or
one of those missing that cannot be read."""


@dataclass(frozen=True, slots=True)
class Requested:
    """What was found of a hole. It is `complete` unless the engine may have more of it, or did not answer.

    `went_on`: messages that are not wanted follow. `later_epochs` of the topic of which the engine has messages.
    """

    missed: int
    replayed: int = 0
    complete: bool = False
    went_on: bool = False
    later_epochs: Sequence[int] = ()

    @property
    def lost(self) -> int:
        """Messages known to be missing that the engine does not have any more."""
        return self.missed - self.replayed


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

    It owns the sockets, which `close` closes. `queued`: messages that its queue can have.
    """

    def __init__(
        self,
        address: EngineAddress,
        subscription: EngineSubscription[Received],
        context: zmq.asyncio.Context,
        replay: str,
        keys: ClientKeys | None,
        queued: int = 0,
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
        self._most_drained = max(queued, LEAST_DRAINED)
        self._client = ReplayClient(context, replay, 10 * ANSWER_S, keys)
        self._lock = asyncio.Lock()
        self._ask_again_at = 0.0

    async def drain(self, enough: Callable[[], bool]) -> None:
        """Wait until everything that has arrived so far was read: what was not read yet has to be requested.

        Ends after as many messages as can have waited at the beginning, because more arrive for a caller that is slow.
        Ends sooner if the reading waits for a handover, so that handovers do not wait for each other, if it waits for
        the caller and it is `enough`, or if nothing was read for `ANSWER_S` without such a wait: a gap is being filled.
        """
        clock = asyncio.get_running_loop().time
        passed, since = self.passed, clock()
        last = passed + self._most_drained
        while self.passed < last and not (
            self.subscription.drained or self.waits_for_handover or (self.waits_for_room and enough())
        ):
            if self.closed:
                return
            await asyncio.sleep(DRAIN_POLL_S)
            if self.passed != passed or self.waits_for_room:
                passed, since = self.passed, clock()
            elif clock() - since >= ANSWER_S:
                return

    async def request(self, hole: Hole, take: Callable[[bytes], Awaitable[Taken]]) -> Requested:
        """Request the messages of a hole, in order. `take` gets each body."""
        filling, others = Filling.of(hole), 0
        complete = went_on = False
        later_epochs: Sequence[int] = ()
        async with self._lock:
            for _ in range(MOST_PAGES):
                wanted = filling.wants(PAGE)
                page = await self._page(filling, wanted) if wanted else None
                if page is None or page.end.status not in ("ok", "too_old"):
                    complete = not wanted
                    break
                for body in page.bodies:
                    taken = "later" if went_on else await take(body)
                    went_on = went_on or taken == "later"
                    filling.replayed += taken == "missing"
                    others += taken in ("other", "later")
                forward = page.end.next_seq > filling.cursor
                filling.advance(max(page.end.next_seq, filling.cursor))
                if went_on or not forward or (hole.end_seq is None and len(page.bodies) < wanted):
                    # Of an epoch so long ago that its numbers are forgotten it is not known how many there were.
                    complete = forward or page.end.status == "ok"
                    later_epochs = page.end.later_epochs
                    break
        # What follows the end of what is wanted was not looked at.
        missed = filling.cursor - hole.first_seq if went_on else filling.missed
        return Requested(missed - others, filling.replayed, complete, went_on, later_epochs)

    async def _page(self, filling: Filling, wanted: int) -> ReplayPage | None:
        """Return the next messages of a hole; None without an answer."""
        if self.closed or time.monotonic() < self._ask_again_at:
            return None
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
