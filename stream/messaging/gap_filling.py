"""The filling of gaps in a subscription: missed messages are requested page by page, and handed out in order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import zmq.asyncio

from stream.messaging.curve.keys import ClientKeys
from stream.messaging.earlier import ALERTS
from stream.messaging.earlier_runs import EarlierRuns
from stream.messaging.gaps import Filling, Hole, Postponed, Sequences
from stream.messaging.replay_client import ReplayClient, ReplayPage, ReplayUnavailableError
from stream.results.heads import Received

REPLAY_PAGE = 500
"""Missed messages requested at a time and held in memory."""
REPLAY_RETRY_S = 5.0
"""Time for which gaps are only counted after the replay server did not answer."""


@dataclass(slots=True)
class Counts:
    """Counts of a subscription. After replay, `missed - replayed` messages are lost."""

    received: int = 0
    """Messages delivered as they arrived."""
    gaps: int = 0
    """Gaps in the numbering."""
    missed: int = 0
    """Messages in these gaps: sent by the engine, but not received."""
    replayed: int = 0
    """Missed messages that were delivered by replay."""
    duplicates: int = 0
    """Messages received twice and discarded (last values sent for other new subscribers)."""
    stale: int = 0
    """Discarded messages of a placement in a fleet that a later one has replaced."""
    undecodable: int = 0
    """Discarded bodies that are not version 1 messages."""
    restarts: int = 0
    """Restarts of the engine."""

    @property
    def lost(self) -> int:
        """Messages missed and not replayed."""
        return self.missed - self.replayed


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap in the numbering of (run, topic, epoch), after the attempt to fill it.

    `more`: after these, further alerts may be missing, of this topic or, if it is `ALERTS`, of all topics of the run:
    the replay server did not answer.
    """

    topic: str
    run: str
    epoch: int
    first_seq: int
    missed: int
    replayed: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class ReplayServerAt:
    """Where missed messages are requested, after how long without an answer that is given up, and with which keys."""

    endpoint: str
    timeout_s: float
    keys: ClientKeys | None


class GapFilling:
    """Fills the holes in a subscription's messages. Without `server`, they are only counted.

    `prefixes` of the topics that are subscribed to; they may change. `decode` returns topic and message of two frames;
    None for an invalid one, which it counts. `warn` logs.
    """

    def __init__(
        self,
        server: ReplayServerAt | None,
        sequences: Sequences,
        prefixes: Collection[str],
        postponed: Postponed | None,
        counts: Counts,
        on_gap: Callable[[Gap], None] | None,
        decode: Callable[[list[bytes]], tuple[str, Received] | None],
        warn: Callable[..., None],
    ) -> None:
        self._decode = decode
        self._warn = warn
        self._server = server
        self._sequences = sequences
        self._earlier = EarlierRuns(sequences, prefixes if server is not None else ())
        self._postponed = postponed
        self._counts = counts
        self._on_gap = on_gap
        self._replay: ReplayClient | None = None
        self._holes: deque[Hole] = deque()
        self._filling: Filling | None = None
        self._recovered: deque[Received] = deque()
        self._fetching: asyncio.Task[ReplayPage | None] | None = None
        self._unanswered = False
        """Whether the last request got no answer."""
        self._replay_again_at = 0.0

    @property
    def incomplete(self) -> frozenset[str]:
        """Topics of which messages are missing that will be requested again."""
        return self._postponed.topics if self._postponed is not None else frozenset()

    @property
    def earlier_runs(self) -> bool:
        """Whether alerts of earlier runs are still to be handed out or requested again."""
        return self._earlier.pending

    def open(self, context: zmq.asyncio.Context) -> None:
        """Begin to use sockets of this context."""
        if self._server is not None:
            self._replay = ReplayClient(context, self._server.endpoint, self._server.timeout_s, self._server.keys)

    def close(self) -> None:
        """End a request that waits, and close the socket."""
        replay, self._replay = self._replay, None
        if replay is not None:
            replay.close()
        if self._fetching is not None:
            self._fetching.cancel()
            self._fetching = None

    def add(self, holes: Iterable[Hole]) -> None:
        """Fill these holes after all others."""
        self._holes.extend(holes)

    def run_began(self, run: str) -> None:
        """Fill what is missing of runs before this one, of which a message has arrived."""
        self.add(self._earlier.began(run))

    def recovered(self) -> Received | None:
        """Return the next missed message that is here; None if there is none."""
        if not self._recovered or self._filling is None:
            return None
        self._filling.replayed += 1
        self._counts.replayed += 1
        return self._recovered.popleft()

    async def advance(self) -> bool:
        """Take one step, which may be a request. Return False if there is nothing to fill now.

        May be cancelled, and called again, without loss.
        """
        if self._filling is not None:
            await self._fill(self._filling)
        elif self._holes:
            self._begin(self._holes.popleft())
        elif self._postponed is not None and (late := self._postponed.due(time.monotonic())) is not None:
            self._filling = late
        else:
            return False
        return True

    def _begin(self, hole: Hole) -> None:
        self._filling = Filling.of(hole)
        self._counts.missed += self._filling.missed
        self._counts.gaps += self._filling.missed > 0

    async def _fill(self, filling: Filling) -> None:
        """Request the next page of missing messages, or report the gap if there are no more."""
        wanted, known = filling.wants(REPLAY_PAGE), filling.missed
        page = await self._fetched(filling.hole, filling.cursor, wanted) if wanted else None
        if self._postponed is not None and wanted:
            if not self._unanswered:
                self._postponed.answered()
            elif self._postponed.put(filling, time.monotonic()):
                self._filling = None
                return
        if page is None or page.end.next_seq <= filling.cursor:
            self._filling = None
            alerts = filling.hole.topic.startswith(ALERTS)
            self._report(filling, more=alerts and filling.hole.end_seq is None and page is None and self._unanswered)
            later = self._earlier.answered(filling.hole, None if page is None else page.end)
            self._holes.extendleft(reversed(later))
            return
        for body in page.bodies:
            decoded = self._decode([filling.hole.topic.encode(), body])
            if decoded is not None and filling.holds(decoded[1].seq):
                self._sequences.recovered(filling.hole, decoded[1].seq)
                self._recovered.append(decoded[1])
        filling.advance(page.end.next_seq)
        self._counts.missed += filling.missed - known
        self._counts.gaps += known == 0

    def _report(self, filling: Filling, *, more: bool) -> None:
        hole, missed, replayed = filling.hole, filling.missed, filling.replayed
        if not missed and not more:
            return
        if missed > replayed:
            lost = missed - replayed
            self._warn("%s: lost %d of %d messages missed in epoch %d", hole.topic, lost, missed, hole.epoch)
        if self._on_gap is not None:
            self._on_gap(Gap(hole.topic, hole.run, hole.epoch, hole.first_seq, missed, replayed, more))

    async def _fetched(self, hole: Hole, from_seq: int, limit: int) -> ReplayPage | None:
        """Return the page. Cancelling the wait does not cancel the request: the next call finds its answer."""
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._fetch(hole, from_seq, limit))
        await asyncio.wait({self._fetching})
        fetched, self._fetching = self._fetching, None
        return None if fetched is None or fetched.cancelled() else fetched.result()

    async def _fetch(self, hole: Hole, from_seq: int, limit: int) -> ReplayPage | None:
        """Request messages of the hole; None if replay is unavailable or does not know them."""
        self._unanswered = self._replay is not None
        if self._replay is None or time.monotonic() < self._replay_again_at:
            return None
        try:
            page = await self._replay.fetch(hole.topic, hole.run, hole.epoch, from_seq, limit)
        except ReplayUnavailableError as error:
            self._replay_again_at = time.monotonic() + REPLAY_RETRY_S
            self._warn("replay: %s; gaps are not filled for %.0f s", error, REPLAY_RETRY_S)
            return None
        self._unanswered = False
        return page if page.end.status in ("ok", "too_old") else None
