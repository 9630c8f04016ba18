"""The last message of every topic, for those who subscribe late.

Plain memory: it is told of messages, subscriptions and the time, and says what to send again and when. Lives and dies
with one publisher; cameras that are removed are forgotten.
"""

from __future__ import annotations

RESEND_INTERVAL_S = 1.0
"""A topic is sent again at most this often, however many subscribe: a flood of subscribers must not become a flood of
messages to all others."""


class LastValues:
    """The last body of each topic, and which topics are owed to late joiners."""

    def __init__(self) -> None:
        self._bodies: dict[bytes, bytes] = {}
        self._resent_at: dict[bytes, float] = {}
        self._owed: dict[bytes, float] = {}  # topic → when it may be sent again

    def __len__(self) -> int:
        """Topics kept."""
        return len(self._bodies)

    def published(self, topic: bytes, body: bytes) -> None:
        """`body` was sent to every subscriber of `topic`: nobody is owed it any longer."""
        self._bodies[topic] = body
        if self._owed:
            self._owed.pop(topic, None)

    def last(self, topic: bytes) -> bytes | None:
        """The last body of this topic, if it has had one. From any thread."""
        return self._bodies.get(topic)

    def subscribed(self, prefix: bytes, now: float) -> None:
        """Somebody subscribed to `prefix` at `now` (monotonic seconds): every kept topic beneath it becomes owed."""
        if len(self._owed) == len(self._bodies):
            return
        for topic in self._bodies:
            if topic not in self._owed and topic.startswith(prefix):
                resent_at = self._resent_at.get(topic)
                self._owed[topic] = now if resent_at is None else max(now, resent_at + RESEND_INTERVAL_S)

    def take_due(self, now: float, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` (topic, body) to be sent again now; they count as sent."""
        due = [topic for topic, at in self._owed.items() if at <= now][:limit]
        for topic in due:
            del self._owed[topic]
            self._resent_at[topic] = now
        return [(topic, self._bodies[topic]) for topic in due]

    def next_due(self) -> float | None:
        """When the next owed topic may be sent (monotonic seconds); None if none is owed."""
        return min(self._owed.values(), default=None)

    def forget(self, topics: set[bytes]) -> None:
        """Drop these topics: their camera is gone."""
        for topic in topics:
            self._bodies.pop(topic, None)
            self._resent_at.pop(topic, None)
            self._owed.pop(topic, None)
