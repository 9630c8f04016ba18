"""The XPUB socket of a publisher: it sends messages without blocking, and last values to new subscribers.

One event loop handles subscriptions, from `serve()` to `close()`; any thread may call `send()`. A lock gives the socket
to one thread at a time, as ZeroMQ requires. Subscribers cannot delay the caller: XPUB drops messages that a slow one
cannot take, and subscriptions are read in small chunks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import bisect_left, insort
from itertools import islice
from math import inf

import zmq

# Plain numbers: combining pyzmq's flags for each message costs as much as sending it.
_WITH_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
_AT_ONCE = int(zmq.NOBLOCK)

SUBSCRIPTION_BYTES = 128
"""Largest ZeroMQ frame from a subscriber; ZeroMQ disconnects peers that send larger ones."""
ENCRYPTED_BYTES = 512
"""The same with CURVE, whose handshake has larger frames."""
CHUNK = 64
"""Last values sent again at a time."""
READ = 256
"""Subscriptions read at a time."""
CHUNK_S = 0.002
"""Time after which no more subscriptions are read at a time. One to all topics of a fleet's cameras takes long."""
PAUSE_S = 0.005
"""Pause between two chunks, so that many subscriptions leave most of the event loop's time to others."""
POLL_NS = 50_000_000
"""Interval of checks for subscriptions after frames. ZeroMQ's file descriptor is edge-triggered and sending may consume
the edge, so the socket is polled after sending; after frames only at this interval, because polling costs as much as
sending."""


RESEND_INTERVAL_S = 1.0
"""Minimum interval between resends of a topic, so that many new subscribers do not flood all others."""


class LastValues:
    """The last body of each topic, and which to send again to new subscribers, and when.

    A subscription looks at its own topics only: a fleet has many topics and subscribers.
    """

    def __init__(self) -> None:
        self._bodies: dict[bytes, bytes] = {}
        self._sorted: list[bytes] = []
        """The topics in their order, in which those with a common prefix are neighbours."""
        self._resent_at: dict[bytes, float] = {}
        self._pending: dict[bytes, float] = {}
        """When each topic may be sent again that a subscriber waits for."""

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
        for index in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            topic = self._sorted[index]
            if not topic.startswith(prefix):
                return
            self._pending.setdefault(topic, max(now, self._resent_at.get(topic, -inf) + RESEND_INTERVAL_S))

    def take_due(self, now: float, limit: int) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` (topic, body) to send again now; they count as sent."""
        due = list(islice((topic for topic, at in self._pending.items() if at <= now), limit))
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
            if self._bodies.pop(topic, None) is not None:
                del self._sorted[bisect_left(self._sorted, topic)]
            self._resent_at.pop(topic, None)
            self._pending.pop(topic, None)


def open_xpub(context: zmq.Context[zmq.Socket[bytes]], high_water_mark: int, *, encrypted: bool) -> zmq.Socket[bytes]:
    """Return a socket for `TopicSocket`, not yet bound, that queues `high_water_mark` messages for each subscriber."""
    socket = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # report every subscription and unsubscription, also repeated ones
    socket.setsockopt(zmq.MAXMSGSIZE, ENCRYPTED_BYTES if encrypted else SUBSCRIPTION_BYTES)
    socket.setsockopt(zmq.SNDHWM, high_water_mark)
    return socket


class TopicSocket:
    """Sends messages to the subscribers of their topics, and keeps the last one of each topic for later subscribers.

    `may_be_repeated` returns whether the last message of a topic may be sent again. After `serve()`, the queue of a
    subscriber is at least `high_water_mark` messages long, and longer with very many topics.
    """

    def __init__(self, high_water_mark: int) -> None:
        self.lock = threading.RLock()
        """Held for one message or one chunk of subscriptions, never while waiting. Guards socket and last values."""
        self.subscriptions = 0
        """Subscriptions of all connected subscribers; one subscriber may have several."""
        self._configured_mark = self._high_water_mark = high_water_mark
        self._last = LastValues()
        self._socket: zmq.Socket[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._polled_ns = 0

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._socket is not None

    def serve(self, socket: zmq.Socket[bytes]) -> None:
        """Take over a bound socket of `open_xpub`, and handle its subscriptions in the running event loop."""
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(socket.fileno(), self._serve_subscriptions)

    def close(self, linger_ms: int) -> None:
        """Close the socket. What is queued is delivered for at most `linger_ms` while its context is terminated."""
        if self._socket is None or self._loop is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        with self.lock:
            self._socket.close(linger=linger_ms)
            self._socket = None

    def send(self, topic: bytes, body: bytes, *, frequent: bool, kept: bool = True) -> None:
        """Send a message, and keep it as the topic's last one, unless it is not to be `kept`.

        `frequent`: another message follows soon. Raises RuntimeError before `serve()` and after `close()`.
        """
        with self.lock:
            socket = self._socket
            if socket is None:
                raise RuntimeError("the publisher has not started, or has stopped")
            if kept:
                self._last.published(topic, body)
                if 2 * len(self._last) > self._high_water_mark:
                    # All last values must fit into the queue of a new subscriber, together with current messages.
                    self._high_water_mark = 4 * len(self._last)
                    socket.setsockopt(zmq.SNDHWM, self._high_water_mark)
            _send(socket, topic, body)
            now_ns = time.monotonic_ns()
            if now_ns - self._polled_ns >= POLL_NS or not frequent:
                self._poll(socket, now_ns)

    def last(self, topic: bytes) -> bytes | None:
        """Return the last body of this topic; None if there is none. Any thread may call this."""
        return self._last.last(topic)

    def forget(self, topics: set[bytes]) -> None:
        """Drop the last messages of these topics."""
        with self.lock:
            self._last.forget(topics)

    # -- subscriptions, in the loop -----------------------------------------------------------------------------
    def _poll(self, socket: zmq.Socket[bytes], now_ns: int) -> None:
        """Have the event loop handle subscriptions, if any wait. Called in any thread, with the lock held."""
        self._polled_ns = now_ns
        if self._loop is None or not _readable(socket):
            return
        try:
            self._loop.call_soon_threadsafe(self._serve_subscriptions)
        except RuntimeError:
            return  # the loop is closed

    def _serve_subscriptions(self) -> None:
        """Read subscriptions and send last values that are due: a chunk of each, the rest after a pause."""
        loop = self._loop
        with self.lock:
            socket = self._socket
            if socket is None or loop is None:
                return
            if self._wake is not None:
                self._wake.cancel()
                self._wake = None
            now = time.monotonic()
            more = self._read_subscriptions(socket, now)
            due = self._last.take_due(now, CHUNK)
            for name, body in due:
                _send(socket, name, body)
            more |= len(due) == CHUNK or _readable(socket)  # sending may have received further subscriptions
            next_due = self._last.next_due()
        if more:
            self._wake = loop.call_later(PAUSE_S, self._serve_subscriptions)
        elif next_due is not None:
            self._wake = loop.call_later(next_due - now, self._serve_subscriptions)

    def _read_subscriptions(self, socket: zmq.Socket[bytes], now: float) -> bool:
        """Read up to `READ` subscriptions, for `CHUNK_S`. Return whether more may wait."""
        left, until = READ, now + CHUNK_S
        more = False
        while not more:
            try:
                frame = socket.recv(zmq.NOBLOCK)  # without polling, which would take in further ones first
            except zmq.Again:
                break
            left -= 1
            kind, prefix = frame[:1], frame[1:]
            if kind == b"\x01":
                self.subscriptions += 1
                self._last.subscribed(prefix, now)
            elif kind == b"\x00" and self.subscriptions:
                self.subscriptions -= 1
            more = left == 0 or time.monotonic() >= until
        if left < READ and self._high_water_mark > self._configured_mark:
            # A new connection starts with the mark from the time of binding; setting it changes open connections.
            socket.setsockopt(zmq.SNDHWM, self._high_water_mark)
        return more


def _send(socket: zmq.Socket[bytes], topic: bytes, body: bytes) -> None:
    socket.send(topic, _WITH_MORE)
    socket.send(body, _AT_ONCE)


def _readable(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
