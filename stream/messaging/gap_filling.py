"""The filling of gaps in a subscription: missed messages are requested page by page, and handed out in order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import zmq

from stream.messaging.curve.keys import ClientKeys
from stream.messaging.gaps import Filling, Hole, Sequences
from stream.messaging.replay import ALERTS
from stream.messaging.replay_client import ReplayClient, ReplayPage, ReplayUnavailableError
from stream.results import Received, topic_of


class EarlierRuns:
    """The alerts of the runs before the present one that a subscription to `prefixes` has not received.

    The prefixes may change. Once a run has ended, all that the engine has kept of it and later ones is requested. Of
    topics that are not followed, only a resumed subscription wants any.
    """

    def __init__(self, sequences: Sequences, prefixes: Collection[str]) -> None:
        self._sequences = sequences
        self._subscribed = prefixes
        self._run = sequences.resumed_run
        self._ended: set[str] = set()
        self._reached: dict[tuple[str, str], tuple[int, int]] = {}
        """Epoch and next number of each run and topic."""
        self._wanted: set[str] | None = None
        """The topics, None for all."""

    @property
    def _prefixes(self) -> tuple[str, ...]:
        return tuple(prefix for prefix in self._subscribed if prefix.startswith(ALERTS))

    def began(self, run: str) -> list[Hole]:
        """Note that a message of this run arrived. Return what is to be requested before it."""
        ended, self._run = self._run, run
        if ended in ("", run) or ended in self._ended or not self._prefixes:
            return []
        self._ended.add(ended)
        followed = self._sequences.followed(ALERTS)
        self._reached = {(one.run, one.topic): (one.epoch, one.next_seq) for one in followed if one.run == ended}
        self._wanted = None if self._sequences.whole_runs else {one.topic for one in followed}
        return [Hole(ALERTS, ended, 0, 0, None)]

    def missed(self, message: Received) -> int:
        """Return how many messages were missed up to this one of the answer; 0 if it was received, or is not wanted."""
        name = topic_of(message)
        if message.run == self._run or not name.startswith(self._prefixes):
            return 0
        if self._wanted is not None and name not in self._wanted:
            return 0
        epoch, seq = self._reached.get((message.run, name), (0, 0))
        if (message.epoch, message.seq) < (epoch, seq):
            return 0
        self._reached[message.run, name] = (message.epoch, message.seq + 1)
        return message.seq + 1 - (seq if message.epoch == epoch else 0)


REPLAY_PAGE = 500
"""Missed messages requested at a time and held in memory."""
REPLAY_RETRY_S = 5.0
"""Time for which gaps are only counted after the replay server did not answer."""
RESUMED_PATIENCE_S = 30.0
"""Time for which a resumed subscription repeats a request without an answer, once until there is one again. Newer
messages wait meanwhile."""
REPEAT_S = 1.0
"""Interval of these requests."""


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
    unknown: int = 0
    """Places at which it is not known how many messages are missing (`Gap.more`)."""
    duplicates: int = 0
    """Messages received twice and discarded (last values sent for other new subscribers)."""
    stale: int = 0
    """Discarded messages of a placement in a fleet that a later one has replaced: also of those that replay had
    delivered before they arrived."""
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

    `more`: after these, further messages may be missing, until the next one received of this topic or, if it is
    `ALERTS`, of all topics of the run. Their number is not known: the replay server did not answer or has forgotten
    them, or there is none.
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

    `prefixes` of the topics that are subscribed to; they may change. `decode` returns the message of a body; None for
    an invalid one, which it counts. `warn` logs.
    """

    def __init__(
        self,
        server: ReplayServerAt | None,
        sequences: Sequences,
        prefixes: Collection[str],
        counts: Counts,
        on_gap: Callable[[Gap], None] | None,
        decode: Callable[[bytes], Received | None],
        warn: Callable[..., None],
    ) -> None:
        self._decode = decode
        self._warn = warn
        self._server = server
        self._sequences = sequences
        self._earlier = EarlierRuns(sequences, prefixes if server is not None else ())
        self._counts = counts
        self._on_gap = on_gap
        self._replay: ReplayClient | None = None
        self._holes: deque[Hole] = deque()
        self._filling: Filling | None = None
        self._recovered: deque[Received] = deque()
        self._reported: Hole | None = None
        """The last one after which it was not known how many messages are missing."""
        self._fetching: asyncio.Task[ReplayPage | None] | None = None
        self._patience_s = RESUMED_PATIENCE_S if sequences.whole_runs else 0.0
        self._unanswered_s: float | None = None
        """Since when requests get no answer."""
        self._replay_again_at = 0.0

    def open(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
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
            self._filling = Filling.of(self._holes.popleft())
            self._count(self._filling, 0)
        else:
            return False
        return True

    def _count(self, filling: Filling, before: int) -> None:
        """Count what is newly known to be missing."""
        self._counts.missed += filling.missed - before
        self._counts.gaps += before == 0 < filling.missed

    async def _fill(self, filling: Filling) -> None:
        """Request the next page of missing messages, or report the gap if there are no more."""
        hole, before, wanted = filling.hole, filling.missed, filling.wants(REPLAY_PAGE)
        page = await self._fetched(hole, filling.cursor, wanted) if wanted else None
        if page is None or page.end.next_seq <= filling.cursor:
            self._filling = None
            self._report(filling, more=self._more(hole, page))
            return
        missed = 0
        for message in filter(None, map(self._decode, page.bodies)):
            if hole.topic == ALERTS:
                before_it = self._earlier.missed(message)
                missed += before_it
                if before_it:
                    self._recovered.append(message)
            elif topic_of(message) == hole.topic and filling.holds(message.seq):
                self._sequences.recovered(hole, message.seq)
                self._recovered.append(message)
        filling.advance(page.end.next_seq)
        if hole.topic == ALERTS:  # the numbers are those of the answer
            filling.missed = before + missed
        self._count(filling, before)

    def _more(self, hole: Hole, page: ReplayPage | None) -> bool:
        """Return whether there may be more messages than those known to be missing. `page` is the last answer."""
        if hole.end_seq is not None or (page is not None and page.end.status == "ok"):
            return False
        # A server that does not know an earlier run has no alerts of it.
        return self._unanswered_s is not None or hole.topic != ALERTS

    def _report(self, filling: Filling, *, more: bool) -> None:
        hole, missed, replayed = filling.hole, filling.missed, filling.replayed
        if more:
            before, self._reported = self._reported, hole
            more = missed > 0 or before is None or not hole.continues(before)
        if not missed and not more:
            return
        if missed > replayed:
            lost = missed - replayed
            self._warn("%s: lost %d of %d messages missed in epoch %d", hole.topic, lost, missed, hole.epoch)
        if more:
            self._counts.unknown += 1
            next_seq = hole.first_seq + missed
            self._warn("%s: messages from %d on in epoch %d may be lost", hole.topic, next_seq, hole.epoch)
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
        if self._replay is None or time.monotonic() < self._replay_again_at:
            return None
        while True:
            asked_s = time.monotonic()
            try:
                page = await self._replay.fetch(hole.topic, hole.run, hole.epoch, from_seq, limit)
                if page.end.status != "bad_request":  # it has too many clients or requests
                    self._unanswered_s = None
                    return page if page.end.status in ("ok", "too_old") else None
                wait_s = 0.0
            except ReplayUnavailableError as error:
                self._warn("replay: %s", error)
                wait_s = REPLAY_RETRY_S
            self._unanswered_s = asked_s if self._unanswered_s is None else self._unanswered_s
            if time.monotonic() - self._unanswered_s >= self._patience_s:
                self._replay_again_at = time.monotonic() + wait_s
                return None
            await asyncio.sleep(REPEAT_S)
