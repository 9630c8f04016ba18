"""Detection of missed messages from their run, topic, epoch and number.

ZeroMQ delivers messages in order; some may be missing, and the last message of a topic may arrive twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

TOPICS_FOLLOWED = 4096
"""Topics remembered; the one without messages for longest is forgotten first."""
EPOCHS_FOLLOWED = 8
"""Epochs of a topic remembered. Late messages of older epochs count as seen."""
EPOCHS_SKIPPED = 64
"""Most missed epochs between two messages that are requested. Engines have forgotten older ones, and some of these."""


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

    `end_seq` is None for the rest of an epoch of unknown length, after a later one has started.
    """

    topic: str
    run: str
    epoch: int
    first_seq: int
    end_seq: int | None

    def continues(self, other: Hole) -> bool:
        """Whether no message lies between another hole of unknown length and this one, which are reported as one."""
        return not self.first_seq and (self.topic, self.run, self.epoch - 1) == (other.topic, other.run, other.epoch)


@dataclass(slots=True)
class Filling:
    """The progress of filling a hole by replay, page by page."""

    hole: Hole
    cursor: int
    """The next number to request."""
    missed: int
    """Messages known to be missing; for the rest of an epoch this grows with each page."""
    replayed: int = 0

    @classmethod
    def of(cls, hole: Hole) -> Filling:
        """Return the state before the first request."""
        missed = 0 if hole.end_seq is None else hole.end_seq - hole.first_seq
        return cls(hole, hole.first_seq, missed)

    def wants(self, at_most: int) -> int:
        """Return how many messages to request next, from `cursor` on; 0 at the end."""
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


class Sequences:
    """Follows the numbering of every topic, to find new, duplicate and missing messages.

    `resumed` has the positions at which an earlier reader stopped, the last one of the run that it read last. Then all
    later messages are wanted: a new run from its first message on, and new topics from theirs. If it is empty, only new
    runs and topics of alerts are wanted from their beginning.
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
            self._remember(topic, run, {epoch: seq + 1})
            if followed is not None and not followed[1]:  # expected
                return _skipped(topic, run, epoch, epoch, seq)
            alerts = topic.startswith("alerts/")
            if followed is None:
                from_zero = self.whole_topics or (alerts and self.whole_runs)
            else:
                from_zero = self.whole_runs or alerts
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
            if due and topic.startswith(prefix)
        ]

    def expect(self, topic: str) -> None:
        """Want what is published on a topic before its first message, in the same epoch; nothing if it is followed."""
        if topic not in self._topics:
            self._remember(topic, "", {})

    def forget(self, topic: str) -> None:
        """Take the next message of a topic for its first one."""
        self._topics.pop(topic, None)

    def recovered(self, hole: Hole, seq: int) -> None:
        """Record that replay returned message `seq` of this hole: if it arrives again, it is a duplicate."""
        run, due = self._topics.get(hole.topic, ("", {}))
        if run == hole.run:
            due[hole.epoch] = max(due.get(hole.epoch, 0), seq + 1)

    def _remember(self, topic: str, run: str, due: dict[int, int]) -> None:
        self._topics[topic] = (run, due)
        self._topics.move_to_end(topic)
        if len(self._topics) > TOPICS_FOLLOWED:
            self._topics.popitem(last=False)


def _skipped(topic: str, run: str, first_epoch: int, epoch: int, seq: int) -> list[Hole]:
    """Return the holes from the beginning of `first_epoch` to (epoch, seq), exclusive."""
    holes = [Hole(topic, run, between, 0, None) for between in range(max(first_epoch, epoch - EPOCHS_SKIPPED), epoch)]
    return [*holes, Hole(topic, run, epoch, 0, seq)] if seq > 0 else holes
