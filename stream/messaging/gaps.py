"""Detection of missed messages from their run, topic, epoch and number.

ZeroMQ delivers messages in order; some may be missing, and the last message of a topic may arrive twice.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

TOPICS_FOLLOWED = 4096
"""Topics remembered; the one without messages for longest is forgotten first."""
EPOCHS_FOLLOWED = 8
"""Epochs of a topic remembered. Late messages of older epochs count as seen."""
EPOCHS_SKIPPED = 64
"""Most missed epochs between two messages that are requested; it is not known what is missing of older ones."""
MOST_POSTPONED = 2 * TOPICS_FOLLOWED
POSTPONED_S = 600.0
"""Time after which a postponed hole is lost. The engine's history is seldom longer."""
SHORTEST_WAIT_S, LONGEST_WAIT_S = 5.0, 60.0
"""Time between two requests to a replay server that does not answer."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a topic was read: `next_seq` is the first number of (topic, run, epoch) not yet seen."""

    topic: str
    run: str
    epoch: int
    next_seq: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Messages that may be missing: from `first_seq` to `end_seq`, exclusive.

    `end_seq` is None for the rest of an epoch of unknown length, after a later one has started. If it is not to be
    `requested`, it is the first one of several epochs that are too many to request.
    """

    topic: str
    run: str
    epoch: int
    first_seq: int
    end_seq: int | None
    requested: bool = True

    def continues(self, other: Hole) -> bool:
        """Whether no message lies between another hole of unknown length and this one, which are reported as one."""
        if self.first_seq or (self.topic, self.run) != (other.topic, other.run) or self.epoch <= other.epoch:
            return False
        return self.epoch == other.epoch + 1 or not other.requested


@dataclass(slots=True)
class Filling:
    """The progress of filling a hole by replay, page by page."""

    hole: Hole
    cursor: int
    """The next number to request."""
    missed: int
    """Messages known to be missing; for the rest of an epoch this grows with each page."""
    replayed: int = 0
    since_s: float | None = None
    """When it was first postponed."""
    handed_out: int = 0
    """The number after the last message that was handed out; 0 if none was."""
    late: bool = False
    """Whether it was postponed, so that messages after the hole may have been handed out."""

    @classmethod
    def of(cls, hole: Hole) -> Filling:
        """Return the state before the first request."""
        missed = 0 if hole.end_seq is None else hole.end_seq - hole.first_seq
        return cls(hole, hole.first_seq, missed)

    @property
    def rest(self) -> Hole:
        """What was not handed out yet."""
        return replace(self.hole, first_seq=max(self.hole.first_seq, self.handed_out))

    def from_seq(self, seq: int) -> Filling:
        """Return the filling of the part from `seq` on, of which nothing was handed out yet."""
        beginning = seq - self.hole.first_seq
        hole = replace(self.hole, first_seq=seq)
        missed = max(0, self.missed - beginning)
        return Filling(hole, max(self.cursor, seq), missed, since_s=self.since_s, late=self.late)

    def wants(self, at_most: int) -> int:
        """Return how many messages to request next, from `cursor` on; 0 at the end."""
        if not self.hole.requested:
            return 0
        return at_most if self.hole.end_seq is None else min(at_most, self.hole.end_seq - self.cursor)

    def holds(self, seq: int) -> bool:
        """Whether a message belongs to the part still to be filled."""
        return self.cursor <= seq and (self.hole.end_seq is None or seq < self.hole.end_seq)

    def advance(self, next_seq: int) -> None:
        """Record that all messages before `next_seq` were received or are no longer available."""
        if self.hole.end_seq is not None:
            self.cursor = min(next_seq, self.hole.end_seq)
        else:
            self.cursor = next_seq
            self.missed = next_seq - self.hole.first_seq


class Postponed:
    """Fillings for which the replay server gave no answer, to be continued later. Times are of one clock, in s.

    `holes` were postponed by an earlier reader.
    """

    def __init__(self, holes: Iterable[Hole] = ()) -> None:
        self._waiting: deque[Filling] = deque(replace(Filling.of(hole), late=True) for hole in holes)
        self._again_s = 0.0
        self._wait_s = SHORTEST_WAIT_S

    @property
    def topics(self) -> frozenset[str]:
        """The topics of which messages may be missing."""
        return frozenset(one.hole.topic for one in self._waiting)

    @property
    def holes(self) -> list[Hole]:
        """What is to be requested."""
        return [one.rest for one in self._waiting]

    def put(self, filling: Filling, now_s: float) -> bool:
        """Postpone a filling that got no answer. Return False if that was done for too long: it is lost."""
        filling.since_s = now_s if filling.since_s is None else filling.since_s
        filling.late = True
        if now_s >= self._again_s:
            self._again_s = now_s + self._wait_s
            self._wait_s = min(LONGEST_WAIT_S, self._wait_s * 2)
        if now_s - filling.since_s >= POSTPONED_S or len(self._waiting) >= MOST_POSTPONED:
            return False
        self._waiting.append(filling)
        return True

    def answered(self) -> None:
        """Record that the replay server answers: all others are due."""
        self._again_s, self._wait_s = 0.0, SHORTEST_WAIT_S

    def due(self, now_s: float) -> Filling | None:
        """Return a filling to be continued now, or one that was postponed for too long, if there is one."""
        if not self._waiting:
            return None
        since_s = self._waiting[0].since_s
        too_long = since_s is not None and now_s - since_s >= POSTPONED_S
        return self._waiting.popleft() if too_long or now_s >= self._again_s else None


class Sequences:
    """Follows the numbering of every topic, to find new, duplicate and missing messages.

    `resumed` has the positions at which an earlier reader stopped, the last one of the run that it read last. Then all
    later messages are wanted: a new run from its first message on, and new topics from theirs. If it is empty, only new
    runs are wanted from their beginning.
    """

    def __init__(self, resumed: Iterable[Position] | None = None) -> None:
        self._topics: OrderedDict[str, tuple[str, dict[int, int]]] = OrderedDict()  # run, epoch → next seq
        self.whole_runs = resumed is not None
        """Whether runs are wanted from their beginning."""
        self.resumed_run = ""
        """The run that the earlier reader read last; empty without one."""
        for position in resumed or ():
            self.resumed_run = position.run
            run, due = self._topics.setdefault(position.topic, (position.run, {}))
            if run == position.run:
                due[position.epoch] = position.next_seq
        self.whole_topics = bool(self._topics)
        """Whether topics without a position are wanted from their beginning."""

    def __len__(self) -> int:
        """Topics followed."""
        return len(self._topics)

    def seen(self, topic: str, run: str, epoch: int, seq: int) -> list[Hole] | None:
        """Record a message. Return None for a duplicate, to be discarded, else the holes before it, in order.

        The first message of a topic, or of a new `run` of the engine, has no hole before it, unless positions were
        resumed. A new run's alerts begin with those that end the earlier run's, so they are asked for.
        """
        followed = self._topics.get(topic)
        if followed is None or followed[0] != run:
            self._topics[topic] = (run, {epoch: seq + 1})
            self._topics.move_to_end(topic)
            if len(self._topics) > TOPICS_FOLLOWED:
                self._topics.popitem(last=False)
            whole = self.whole_runs or topic.startswith("alerts/")
            from_zero = self.whole_topics if followed is None else whole
            return _skipped(topic, run, 0, epoch, seq) if from_zero else []
        self._topics.move_to_end(topic)
        due = followed[1]
        if epoch in due:
            expected = due[epoch]
            if seq < expected:
                return None
            due[epoch] = seq + 1
            return [Hole(topic, run, epoch, expected, seq)] if seq > expected else []
        newest = max(due)
        if epoch < newest:
            return None  # the epoch ended before this subscription, or its messages were already requested
        holes = [Hole(topic, run, newest, due[newest], None), *_skipped(topic, run, newest + 1, epoch, seq)]
        due[epoch] = seq + 1
        while len(due) > EPOCHS_FOLLOWED:
            del due[min(due)]
        return holes

    def followed(self, prefix: str) -> list[Position]:
        """Return how far each topic with this prefix was read, in its newest epoch."""
        return [
            Position(topic, run, max(due), due[max(due)])
            for topic, (run, due) in self._topics.items()
            if topic.startswith(prefix)
        ]

    def position(self, topic: str) -> Position | None:
        """Return how far a topic was read, in its newest epoch; None if it is not followed."""
        run, due = self._topics.get(topic, ("", None))
        return Position(topic, run, max(due), due[max(due)]) if due else None

    def forget(self, topic: str) -> None:
        """Take the next message of a topic for its first one."""
        self._topics.pop(topic, None)

    def recovered(self, hole: Hole, seq: int) -> None:
        """Record that replay returned message `seq` of this hole: if it arrives again, it is a duplicate."""
        run, due = self._topics.get(hole.topic, ("", {}))
        if run == hole.run:
            due[hole.epoch] = max(due.get(hole.epoch, 0), seq + 1)


def _skipped(topic: str, run: str, first_epoch: int, epoch: int, seq: int) -> list[Hole]:
    """Return the holes from the beginning of `first_epoch` to (epoch, seq), exclusive."""
    first_requested = max(first_epoch, epoch - EPOCHS_SKIPPED)
    holes = [Hole(topic, run, between, 0, None) for between in range(first_requested, epoch)]
    if first_epoch < first_requested:
        holes.insert(0, Hole(topic, run, first_epoch, 0, None, requested=False))
    return [*holes, Hole(topic, run, epoch, 0, seq)] if seq > 0 else holes
