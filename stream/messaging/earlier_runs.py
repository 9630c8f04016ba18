"""What is requested of the alerts of the engine's earlier runs, after it was restarted.

Only the engine knows which runs and topics there were. So a request with the topic `ALERTS` asks for the topics of the
run that was read last, and for the run after it, and so on before the present one. A server that does not know the
run, or is older, answers `unknown_run`: nothing is missing then.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from stream.messaging.earlier import ALERTS
from stream.messaging.gaps import Hole, Sequences
from stream.messaging.replay import ReplayEnd


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
