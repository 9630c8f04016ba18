"""What a subscriber must find true of the numbers of messages: no gap that is not counted, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stream.messaging.gap_filling import Gap
from stream.results import Message, topic_of

Violated = Callable[..., Any]
PATIENCE = 3000
"""Messages of a topic after a gap within which the subscription must have reported it: more than can be replayed."""


@dataclass
class _Numbers:
    """Of one (run, topic, epoch): `first` and `newest` numbers, how many were received, and how many reported lost."""

    first: int
    newest: int
    received: int = 1
    lost: int = 0
    wrong_for: int = 0
    missing: set[int] = field(default_factory=set[int])


class Numbering:
    """`take` each message and `gap` each gap, in the order in which the subscription yields them."""

    def __init__(self, violated: Violated) -> None:
        self.messages = self.lost = self.replayed = 0
        self._violated = violated
        self._numbers: dict[tuple[str, str, int], _Numbers] = {}

    def take(self, message: Message) -> None:
        """Check the number of a message."""
        topic, seq = topic_of(message), message.seq
        self.messages += 1
        key = (message.run, topic, message.epoch)
        found = self._numbers.get(key)
        if found is None:
            self._numbers[key] = _Numbers(seq, seq)
            return
        if seq > found.newest:
            found.missing.update(range(found.newest + 1, seq))
            found.newest = seq
        elif seq in found.missing:
            found.missing.discard(seq)
        elif seq >= found.first:
            self._violated("numbers", error="a message came twice", topic=topic, run=message.run, seq=seq)
            return
        found.received += 1
        if len(found.missing) == found.lost:
            found.wrong_for = 0
            return
        found.wrong_for += 1
        if found.wrong_for == PATIENCE:
            self._violated("numbers", error="a gap was not counted", **self._describe(key, found))

    def gap(self, gap: Gap) -> None:
        """Take what the subscription reports of a gap."""
        self.replayed += gap.replayed
        lost = gap.missed - gap.replayed
        self.lost += lost
        key = (gap.run, gap.topic, gap.epoch)
        found = self._numbers.get(key)
        if found is None:
            return  # of an epoch of which nothing was received
        if gap.first_seq + gap.missed - 1 > found.newest:  # at the end of an epoch
            found.missing.update(range(found.newest + 1, gap.first_seq + gap.missed))
            found.newest = gap.first_seq + gap.missed - 1
        if gap.first_seq < found.first:  # before the first message received
            known = range(gap.first_seq, min(found.first, gap.first_seq + gap.missed))
            lost = max(0, lost - len(known))
        found.lost += lost
        if len(found.missing) != found.lost:
            self._violated("numbers", error="a gap was counted wrongly", **self._describe(key, found))

    def finish(self) -> None:
        """Check all topics at the end."""
        for key, found in self._numbers.items():
            if len(found.missing) != found.lost and found.wrong_for < PATIENCE:
                self._violated("numbers", error="a gap was not counted", **self._describe(key, found))

    @staticmethod
    def _describe(key: tuple[str, str, int], found: _Numbers) -> dict[str, Any]:
        run, topic, epoch = key
        return {
            "topic": topic,
            "run": run,
            "epoch": epoch,
            "received": found.received,
            "reported_lost": found.lost,
            "missing": sorted(found.missing)[:20],
            "newest": found.newest,
        }
