"""Which messages of a topic were missed: bookkeeping over (run, topic, epoch, seq), without a socket.

Lives with one subscription. Messages come in order from ZeroMQ, some missing, the last of a topic now and then twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

TOPICS_FOLLOWED = 4096
"""Topics remembered; the one unheard of for longest is forgotten first."""
EPOCHS_FOLLOWED = 8
"""Epochs of a topic remembered. A late message of an epoch older than these counts as seen."""
EPOCHS_SKIPPED = 64
"""Whole epochs between two messages that are looked for; older ones aren't."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a topic was read: of (topic, run, epoch), `next_seq` is the first number that wasn't seen."""

    topic: str
    run: str
    epoch: int
    next_seq: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Messages that may be missing: from `first_seq` up to, without, `end_seq`.

    `end_seq` is None for the end of an epoch: a later one began, and how long this one went on isn't known.
    """

    topic: str
    run: str
    epoch: int
    first_seq: int
    end_seq: int | None


@dataclass(slots=True)
class Filling:
    """A hole that is being filled by replay, page by page: where it stands."""

    hole: Hole
    cursor: int
    """The next number to ask for."""
    missed: int
    """Messages known to be missing; of an epoch's end it is known only as pages come."""
    replayed: int = 0

    @classmethod
    def of(cls, hole: Hole) -> Filling:
        """The beginning: nothing asked for yet."""
        missed = 0 if hole.end_seq is None else hole.end_seq - hole.first_seq
        return cls(hole, hole.first_seq, missed)

    def wants(self, at_most: int) -> int:
        """How many messages to ask for next, from `cursor` on; 0 when the end is reached."""
        return at_most if self.hole.end_seq is None else min(at_most, self.hole.end_seq - self.cursor)

    def holds(self, seq: int) -> bool:
        """Whether a message belongs into what is still to be filled."""
        return self.cursor <= seq and (self.hole.end_seq is None or seq < self.hole.end_seq)

    def advance(self, next_seq: int) -> None:
        """All before `next_seq` has been given, or is too old to be had."""
        if self.hole.end_seq is not None:
            self.cursor = min(next_seq, self.hole.end_seq)
        else:
            self.cursor = next_seq
            self.missed = next_seq - self.hole.first_seq


class Sequences:
    """Follows the numbering of every topic, and says what is new, what is a duplicate and what is missing.

    With `resumed`, where an earlier reader stopped, it goes on from there and wants all of what came after: a new run
    is expected from its first message on, and so is a topic that wasn't there yet. With no positions in it, the first
    message of a topic is the beginning, as ever.
    """

    def __init__(self, resumed: Iterable[Position] | None = None) -> None:
        self._topics: OrderedDict[str, tuple[str, dict[int, int]]] = OrderedDict()  # run, epoch → next seq
        self._whole_runs = resumed is not None
        for position in resumed or ():
            run, due = self._topics.setdefault(position.topic, (position.run, {}))
            if run == position.run:
                due[position.epoch] = position.next_seq
        self._whole_topics = bool(self._topics)

    def __len__(self) -> int:
        """Topics followed."""
        return len(self._topics)

    def seen(self, topic: str, run: str, epoch: int, seq: int) -> list[Hole] | None:
        """Take note of a message. None: a duplicate, to be discarded. Else the holes before it, in order.

        The first message of a topic, or of a new `run` of the engine, starts anew and has no hole before it, unless an
        earlier reader's work is resumed.
        """
        followed = self._topics.get(topic)
        if followed is None or followed[0] != run:
            self._topics[topic] = (run, {epoch: seq + 1})
            self._topics.move_to_end(topic)
            if len(self._topics) > TOPICS_FOLLOWED:
                self._topics.popitem(last=False)
            from_zero = self._whole_topics if followed is None else self._whole_runs
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
            return None  # the epoch was over before this subscription began, or its messages were looked for already
        holes = [Hole(topic, run, newest, due[newest], None), *_skipped(topic, run, newest + 1, epoch, seq)]
        due[epoch] = seq + 1
        while len(due) > EPOCHS_FOLLOWED:
            del due[min(due)]
        return holes

    def recovered(self, hole: Hole, seq: int) -> None:
        """The message `seq` of this hole was got by replay: should it come again, it is a duplicate."""
        run, due = self._topics.get(hole.topic, ("", {}))
        if run == hole.run:
            due[hole.epoch] = max(due.get(hole.epoch, 0), seq + 1)


def _skipped(topic: str, run: str, first_epoch: int, epoch: int, seq: int) -> list[Hole]:
    """What may have come from the beginning of `first_epoch` up to, without, (epoch, seq)."""
    holes = [Hole(topic, run, between, 0, None) for between in range(max(first_epoch, epoch - EPOCHS_SKIPPED), epoch)]
    return [*holes, Hole(topic, run, epoch, 0, seq)] if seq > 0 else holes
