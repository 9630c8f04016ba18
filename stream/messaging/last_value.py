"""The last message of every topic, for new subscribers.

It tracks messages and subscriptions and decides which messages to send again, and when.
"""

from __future__ import annotations

RESEND_INTERVAL_S = 1.0
"""Minimum interval between resends of a topic, so that many new subscribers do not flood all others."""


class LastValues:
    """The last body of each topic, and the topics to send again to new subscribers."""

    def __init__(self) -> None:
        self._bodies: dict[bytes, bytes] = {}
        self._resent_at: dict[bytes, float] = {}
        self._pending: dict[bytes, float] = {}  # topic → when it may be sent again

    def __len__(self) -> int:
        """Topics kept."""
        return len(self._bodies)

    def published(self, topic: bytes, body: bytes) -> None:
        """Record that `body` was sent to every subscriber of `topic`; a pending resend is cancelled."""
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
        for topic in self._bodies:
            if topic not in self._pending and topic.startswith(prefix):
                resent_at = self._resent_at.get(topic)
                self._pending[topic] = now if resent_at is None else max(now, resent_at + RESEND_INTERVAL_S)

    def take_due(self, now: float, limit: int) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` (topic, body) to send again now; they count as sent."""
        due = [topic for topic, at in self._pending.items() if at <= now][:limit]
        for topic in due:
            del self._pending[topic]
            self._resent_at[topic] = now
        return [(topic, self._bodies[topic]) for topic in due]

    def next_due(self) -> float | None:
        """Return when the next pending topic may be sent (monotonic seconds); None if none is pending."""
        return min(self._pending.values(), default=None)

    def forget(self, topics: set[bytes]) -> None:
        """Drop the last values of these topics."""
        for topic in topics:
            self._bodies.pop(topic, None)
            self._resent_at.pop(topic, None)
            self._pending.pop(topic, None)
