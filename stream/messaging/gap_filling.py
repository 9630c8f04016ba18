"""The filling of gaps in a subscription: missed messages are requested page by page, and handed out in order.

What is requested of the alerts of the engine's earlier runs, after it was restarted.

Only the engine knows which runs and topics there were. So a request with the topic `ALERTS` asks for the topics of the
run that was read last, and for the run after it, and so on before the present one. A server that does not know the
run, or is older, answers `unknown_run`: nothing is missing then.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

import zmq.asyncio

from stream.messaging.curve.keys import ClientKeys
from stream.messaging.earlier import ALERTS
from stream.messaging.gaps import Filling, Hole, Postponed, Sequences
from stream.messaging.replay import ReplayEnd
from stream.messaging.replay_client import ReplayClient, ReplayPage, ReplayUnavailableError
from stream.results.heads import Received


@dataclass(frozen=True, slots=True)
class _Left:
    """A run that ended. `reached` has epoch and next number of the topics of which messages were received.

    Others are wanted from their first message on if they are `known` from other runs, or if `others`.
    """

    reached: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    known: frozenset[str] = frozenset()
    others: bool = False

    def wants(self, topic: str) -> bool:
        return self.others or topic in self.reached or topic in self.known


class EarlierRuns:
    """Asks for the alerts of the runs before the present one that a subscription to `prefixes` has not received.

    Prefixes may be added to them and removed.
    Everything of a run is requested before anything of the next one.
    """

    def __init__(self, sequences: Sequences, prefixes: Collection[str]) -> None:
        self._sequences = sequences
        self._subscribed = prefixes
        self._run = sequences.resumed_run
        self._left: OrderedDict[str, _Left] = OrderedDict()
        self._asking = False
        """Whether a run is asked for its topics. While it is, runs that end have to wait."""
        self._asked: set[str] = set()
        self._filling: set[tuple[str, str]] = set()
        """Topic and run of the holes that are being filled."""

    @property
    def _prefixes(self) -> tuple[str, ...]:
        return tuple(prefix for prefix in self._subscribed if prefix.startswith(ALERTS))

    @property
    def pending(self) -> bool:
        """Whether something is still to be requested or received."""
        return self._asking or bool(self._filling)

    def began(self, run: str) -> list[Hole]:
        """Note that a message of this run arrived. Return what is to be requested before it."""
        ended, self._run = self._run, run
        if ended in ("", run) or ended in self._asked or not self._prefixes:
            return []
        followed = self._sequences.followed(ALERTS)
        reached = {one.topic: (one.epoch, one.next_seq) for one in followed if one.run == ended}
        known = frozenset(one.topic for one in followed)
        self._left[ended] = _Left(reached, known, self._sequences.whole_runs)
        return [] if self._asking else self._ask()

    def answered(self, hole: Hole, end: ReplayEnd | None) -> list[Hole]:
        """Return what is to be requested next, after all of a hole was.

        `end` is the last answer's; None if the run is unknown, or there was no answer.
        """
        if hole.topic == ALERTS:
            return self._holes_of(hole.run, end)
        if (hole.topic, hole.run) not in self._filling:
            return []
        later = [epoch for epoch in end.later_epochs if epoch > hole.epoch] if end is not None else []
        if later:
            return [Hole(hole.topic, hole.run, min(later), 0, None)]
        self._filling.discard((hole.topic, hole.run))
        return []

    def _holes_of(self, run: str, end: ReplayEnd | None) -> list[Hole]:
        """Return the holes of a run that was asked for, and the question to the next one."""
        left = self._left.pop(run, _Left())
        holes: list[Hole] = []
        if end is not None:
            for topic in end.topics:
                if left.wants(topic) and topic.startswith(self._prefixes):
                    epoch, seq = left.reached.get(topic, (0, 0))
                    holes.append(Hole(topic, run, epoch, seq, None))
            if end.later_run not in ("", self._run, *self._asked):
                between = _Left(known=left.known, others=self._sequences.whole_runs)
                self._left.setdefault(end.later_run, between)
                self._left.move_to_end(end.later_run, last=False)
        self._filling.update((hole.topic, hole.run) for hole in holes)
        return [*holes, *self._ask()]

    def _ask(self) -> list[Hole]:
        run = next(iter(self._left), None)
        self._asking = run is not None
        if run is None:
            return []
        self._asked.add(run)
        return [Hole(ALERTS, run, 0, 0, None)]


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
        self._reported: Hole | None = None
        """The last one after which it was not known how many messages are missing."""
        self._fetching: asyncio.Task[ReplayPage | None] | None = None
        self._unanswered = False
        """Whether the last request got no answer."""
        self._replay_again_at = 0.0

    @property
    def incomplete(self) -> frozenset[str]:
        """Topics of which messages are missing that will be requested again."""
        return self._postponed.topics if self._postponed is not None else frozenset()

    @property
    def postponed(self) -> list[Hole]:
        """What will be requested again."""
        if self._postponed is None:
            return []
        current = self._filling
        return [*([current.rest] if current is not None and current.late else []), *self._postponed.holes]

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
        message = self._recovered.popleft()
        self._filling.handed_out = message.seq + 1
        return message

    async def advance(self) -> bool:
        """Take one step, which may be a request. Return False if there is nothing to fill now.

        May be cancelled, and called again, without loss.
        """
        if self._filling is not None:
            await self._fill(self._filling)
        elif self._holes:
            self._begin(self._holes.popleft())
        elif self._postponed is not None and (late := self._postponed.due(time.monotonic())) is not None:
            if late.since_s is None:  # an earlier reader postponed it
                self._count(late)
            self._filling = late
        else:
            return False
        return True

    def _begin(self, hole: Hole) -> None:
        self._filling = Filling.of(hole)
        self._count(self._filling)

    def _count(self, filling: Filling) -> None:
        self._counts.missed += filling.missed
        self._counts.gaps += filling.missed > 0

    async def _fill(self, filling: Filling) -> None:
        """Request the next page of missing messages, or report the gap if there are no more."""
        wanted, known = filling.wants(REPLAY_PAGE), filling.missed
        page = await self._fetched(filling.hole, filling.cursor, wanted) if wanted else None
        if self._postponed is not None and wanted:
            if not self._unanswered:
                self._postponed.answered()
            else:
                filling = self._filling = self._without_beginning(filling, filling.cursor)
                if self._postponed.put(filling, time.monotonic()):
                    self._filling = None
                    return
        if page is None or page.end.next_seq <= filling.cursor:
            self._filling = None
            self._report(filling, more=self._more(filling, page))
            later = self._earlier.answered(filling.hole, None if page is None else page.end)
            self._holes.extendleft(reversed(later))
            return
        for body in page.bodies:
            decoded = self._decode([filling.hole.topic.encode(), body])
            if decoded is not None and filling.holds(decoded[1].seq):
                self._sequences.recovered(filling.hole, decoded[1].seq)
                self._recovered.append(decoded[1])
        lost_until = self._recovered[0].seq if self._recovered else page.end.next_seq
        lost = lost_until > filling.cursor
        filling.advance(page.end.next_seq)
        self._counts.missed += filling.missed - known
        self._counts.gaps += known == 0
        if lost and filling.late:
            self._filling = self._without_beginning(filling, min(lost_until, filling.cursor))

    def _without_beginning(self, filling: Filling, seq: int) -> Filling:
        """Report the part before `seq`, so that what is postponed is a whole hole, and return the rest."""
        missed = seq - filling.hole.first_seq
        if not missed:
            return filling
        self._report(replace(filling, missed=missed), more=False)
        return filling.from_seq(seq)

    def _more(self, filling: Filling, page: ReplayPage | None) -> bool:
        """Return whether there may be more messages than those known to be missing. `page` is the last answer."""
        hole = filling.hole
        if hole.end_seq is not None or (page is not None and page.end.status == "ok"):
            return False
        # A server that does not know an earlier run, or is older, has no alerts of it.
        return self._unanswered or hole.topic != ALERTS

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
        self._unanswered = self._replay is not None
        if self._replay is None or time.monotonic() < self._replay_again_at:
            return None
        try:
            page = await self._replay.fetch(hole.topic, hole.run, hole.epoch, from_seq, limit)
        except ReplayUnavailableError as error:
            self._replay_again_at = time.monotonic() + REPLAY_RETRY_S
            self._warn("replay: %s; gaps are not filled for %.0f s", error, REPLAY_RETRY_S)
            return None
        self._unanswered = page.end.status == "bad_request"  # it has too many clients or requests
        return page if page.end.status in ("ok", "too_old") else None
