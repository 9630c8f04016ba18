"""The last message of every topic, for new subscribers.

It tracks messages and subscriptions and decides which messages to send again, and when.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush, heapreplace

RESEND_INTERVAL_S = 1.0
"""Minimum interval between resends of a topic, so that many new subscribers do not flood all others."""


class LastValues:
    """The last body of each topic, and the topics to send again to new subscribers.

    The cost of a subscription grows with its own topics, not with all: a fleet has many topics and subscribers.
    """

    def __init__(self) -> None:
        self._bodies: dict[bytes, bytes] = {}
        self._sorted: list[bytes] = []
        """The topics in their order, in which those with a common prefix are neighbours."""
        self._resent_at: dict[bytes, float] = {}
        self._pending: dict[bytes, float] = {}
        """When each topic may be sent again that a subscriber waits for."""
        self._queue: list[tuple[float, bytes]] = []
        """A heap of the topics that are pending, with times that are not later. It may have others."""
        self._queued: set[bytes] = set()
        """Topics in it, so that each is added once."""

    def __len__(self) -> int:
        """Topics kept."""
        return len(self._bodies)

    def published(self, topic: bytes, body: bytes) -> None:
        """Record that `body` was sent to every subscriber of `topic`; a pending resend is cancelled."""
        if topic not in self._bodies:
            insort(self._sorted, topic)
        self._bodies[topic] = body
        if self._pending:
            self._pending.pop(topic, None)

    def last(self, topic: bytes) -> bytes | None:
        """Return the last body of this topic; None if there is none. Any thread may call this."""
        return self._bodies.get(topic)

    def subscribed(self, prefix: bytes, now: float) -> None:
        """Record a subscription to `prefix` at `now` (monotonic seconds): its topics are to be sent again."""
        if len(self._pending) == len(self._bodies):
            return
        for index in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            topic = self._sorted[index]
            if not topic.startswith(prefix):
                return
            if topic not in self._pending:
                resent_at = self._resent_at.get(topic)
                at = self._pending[topic] = now if resent_at is None else max(now, resent_at + RESEND_INTERVAL_S)
                if topic not in self._queued:
                    self._queued.add(topic)
                    heappush(self._queue, (at, topic))

    def take_due(self, now: float, limit: int) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` (topic, body) to send again now; they count as sent."""
        due: list[tuple[bytes, bytes]] = []
        while len(due) < limit and (at := self.next_due()) is not None and at <= now:
            _, topic = heappop(self._queue)
            self._queued.discard(topic)
            del self._pending[topic]
            self._resent_at[topic] = now
            due.append((topic, self._bodies[topic]))
        return due

    def next_due(self) -> float | None:
        """Return when the next pending topic may be sent (monotonic seconds); None if none is pending."""
        while self._queue:
            at, topic = self._queue[0]
            pending_at = self._pending.get(topic)
            if pending_at == at:
                return at
            if pending_at is None:  # it was published or forgotten meanwhile
                heappop(self._queue)
                self._queued.discard(topic)
            else:
                heapreplace(self._queue, (pending_at, topic))
        return None

    def forget(self, topics: set[bytes]) -> None:
        """Drop the last values of these topics."""
        for topic in topics:
            if self._bodies.pop(topic, None) is not None:
                del self._sorted[bisect_left(self._sorted, topic)]
            self._resent_at.pop(topic, None)
            self._pending.pop(topic, None)
            self._queued.discard(topic)  # if it returns, it may be sent sooner
