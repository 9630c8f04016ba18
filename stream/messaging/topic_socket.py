"""The XPUB socket of a publisher: it sends messages without blocking, and last values to new subscribers.

One event loop handles subscriptions, from `serve()` to `close()`; any thread may call `send()`. A lock gives the socket
to one thread at a time, as ZeroMQ requires. Subscribers cannot delay the caller: XPUB drops messages that a slow one
cannot take, and subscriptions are read in small chunks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import zmq

from stream.messaging.last_value import LastValues

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

    def __init__(self, high_water_mark: int, may_be_repeated: Callable[[bytes], bool] | None = None) -> None:
        self.lock = threading.RLock()
        """Held for one message or one chunk of subscriptions, never while waiting. Guards socket and last values."""
        self.subscriptions = 0
        """Subscriptions of all connected subscribers; one subscriber may have several."""
        self._configured_mark = self._high_water_mark = high_water_mark
        self._may_be_repeated = may_be_repeated
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
                if self._may_be_repeated is None or self._may_be_repeated(name):
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
