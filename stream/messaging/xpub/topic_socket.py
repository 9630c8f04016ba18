"""The XPUB socket of a publisher: it sends messages without blocking, and last values to new subscribers.

One event loop handles subscriptions, from `serve()` to `close()`; any thread may call `send()`. A lock gives the socket
to one thread at a time, as ZeroMQ requires. Subscribers cannot delay the caller: XPUB drops messages that a slow one
cannot take, and subscriptions are read in small chunks. A connection with too many or too long subscriptions is closed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import zmq

from stream.descriptors import DESCRIPTORS
from stream.messaging.connections.connection_watch import ConnectionWatch, descriptor_of
from stream.messaging.connections.open_connections import Connections, return_memory
from stream.messaging.last_value import LastValues
from stream.messaging.xpub.subscriptions import CONNECTIONS_WORTH, FLOOD, REASONS, Excess, Subscriptions
from stream.results import LONGEST_TOPIC
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

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
FLOOD_WAITS = 1024
"""Fewest bytes that wait in the kernel from a connection that is taken for part of a flood."""
CHUNK_S = 0.002
"""Time after which no more subscriptions are read at a time. One to all topics of a fleet's cameras takes long."""
SWEEP_AGAIN_S = 0.2
"""After cancellations by ZeroMQ, which may come before it has closed the connection's descriptor."""
PAUSE_S = 0.005
"""Pause between two chunks, so that a flood of subscriptions leaves most of the event loop's time to others."""
POLL_NS = 50_000_000
"""Interval of checks for subscriptions after frames. ZeroMQ's file descriptor is edge-triggered and sending may consume
the edge, so the socket is polled after sending; after frames only at this interval, because polling costs as much as
sending."""


def open_xpub(context: zmq.Context[zmq.Socket[bytes]], high_water_mark: int, *, encrypted: bool) -> zmq.Socket[bytes]:
    """Return a socket for `TopicSocket`, not yet bound, that queues `high_water_mark` messages for each subscriber."""
    socket = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # report every subscription and unsubscription, also repeated ones
    socket.setsockopt(zmq.MAXMSGSIZE, ENCRYPTED_BYTES if encrypted else SUBSCRIPTION_BYTES)
    # ZeroMQ takes all subscriptions that wait while one message is sent. With a queue of one, few can wait, so that a
    # flood holds the sender for milliseconds instead of seconds.
    socket.setsockopt(zmq.RCVHWM, 1)
    socket.setsockopt(zmq.SNDHWM, high_water_mark)
    return socket


class TopicSocket:
    """Sends messages to the subscribers of their topics, and keeps the last one of each topic for later subscribers.

    `may_be_repeated` returns whether the last message of a topic may be sent again. After `serve()`, the queue of a
    subscriber is at least `high_water_mark` messages long, and longer with very many topics. One connection may have
    `max_subscriptions`.
    """

    def __init__(
        self,
        high_water_mark: int,
        max_subscriptions: int,
        may_be_repeated: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.lock = threading.RLock()
        """Held for one message or one chunk of subscriptions, never while waiting. Guards socket and last values."""
        self.closed: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        """Connections that were closed, by reason."""
        self._max_subscriptions = max_subscriptions
        self._connections: Connections | None = None
        self._subscriptions: Subscriptions | None = None
        self._closing = RepeatLimiter(limit=5, per_s=10.0)
        self._freed = False
        """Whether a connection that was closed has ended, so that ZeroMQ has freed memory."""
        self._configured_mark = self._high_water_mark = high_water_mark
        self._may_be_repeated = may_be_repeated
        self._last = LastValues()
        self._socket: zmq.Socket[bytes] | None = None
        self._watch = ConnectionWatch()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._pausing = False
        self._holding = False
        """Whether new connections wait until a flood has been read."""
        self._polled_ns = 0

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._socket is not None

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all connected subscribers; one subscriber may have several."""
        if self._subscriptions is None:
            return 0
        with self.lock:
            self._freed |= self._subscriptions.sweep()
            return len(self._subscriptions)

    def serve(self, socket: zmq.Socket[bytes], watch: ConnectionWatch) -> None:
        """Take over a bound socket of `open_xpub`, and handle its subscriptions in the running event loop.

        `watch` is told of what was read.
        """
        self._watch = watch
        self._connections = own = Connections(str(socket.getsockopt_string(zmq.LAST_ENDPOINT)))
        self._subscriptions = Subscriptions(
            self._max_subscriptions, LONGEST_TOPIC, own.identity, own.descriptors, own.answers
        )
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
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
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
        if self._loop is None or self._pausing or not _readable(socket):
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
            if socket is None or loop is None or self._pausing:
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
            # Sending may have received further subscriptions.
            self._pausing = more or len(due) == CHUNK or _readable(socket)
            next_due = self._last.next_due()
            if self._freed and not self._pausing:
                self._freed = False
                loop.run_in_executor(None, return_memory)
        if self._pausing:
            loop.remove_reader(socket.fileno())
            self._wake = loop.call_later(PAUSE_S, self._resume)
        elif next_due is not None:
            self._wake = loop.call_later(next_due - now, self._serve_subscriptions)

    def _resume(self) -> None:
        self._pausing = False
        if self._socket is not None and self._loop is not None:
            self._loop.add_reader(self._socket.fileno(), self._serve_subscriptions)
            self._serve_subscriptions()

    def _read_subscriptions(self, socket: zmq.Socket[bytes], now: float) -> bool:
        """Read up to `READ` subscriptions, for `CHUNK_S`. Return whether more may wait."""
        left, until = READ, now + CHUNK_S
        more = ended = False
        while not more:
            try:
                frame = socket.recv(zmq.NOBLOCK, copy=False)  # without polling, which would take in further ones first
            except zmq.Again:
                if self._subscriptions is not None:
                    self._subscriptions.all_read()
                    self._hold(held=False)
                break
            left -= 1
            self._watch.read((frame,))
            ended |= self._take(frame, frame.bytes, now)
            more = left == 0 or time.monotonic() >= until
        if ended and self._subscriptions is not None:
            self._freed |= self._subscriptions.sweep()
            if self._sweeping is None and self._loop is not None:
                self._sweeping = self._loop.call_later(SWEEP_AGAIN_S, self._sweep_again)
        if left < READ and self._high_water_mark > self._configured_mark:
            # A new connection starts with the mark from the time of binding; setting it changes open connections.
            socket.setsockopt(zmq.SNDHWM, self._high_water_mark)
        return more

    def _sweep_again(self) -> None:
        self._sweeping = None
        if self._subscriptions is not None:
            with self.lock:
                self._freed |= self._subscriptions.sweep()
            self._serve_subscriptions()

    def _take(self, frame: zmq.Frame, data: bytes, now: float) -> bool:
        """Take what a peer sent, which may be anything. Return whether a connection may have ended."""
        assert self._subscriptions is not None
        kind, prefix = data[:1], data[1:]
        descriptor = descriptor_of(frame)
        cancelled = descriptor is None and kind == b"\x00"  # by ZeroMQ
        if not cancelled and self._subscriptions.read(descriptor):
            self._end_flood()
        if kind not in (b"\x00", b"\x01"):
            return False
        if kind == b"\x01":
            outcome = self._subscriptions.add(descriptor, prefix)
            goes_on = outcome
            if isinstance(outcome, Excess):
                self._close(outcome, frame)
                goes_on = outcome.descriptor not in (None, descriptor)
            if goes_on:
                self._last.subscribed(prefix, now)
            return False
        if descriptor is not None:
            self._subscriptions.cancel(descriptor, prefix)
        return descriptor is None

    def _end_flood(self) -> None:
        """Close the connections whose messages still wait in the kernel; if none do, or the flood goes on, the busiest.

        No client can connect until all that ZeroMQ has taken was read.
        """
        own, subscriptions = self._connections, self._subscriptions
        assert own is not None and subscriptions is not None
        ending, closed = set[int](), 0
        with suppress(OSError):  # no descriptor is free to look for them
            ending = {one for one in own.descriptors() if own.waiting(one) >= FLOOD_WAITS}
        if self._holding or not ending:
            ending.update(subscriptions.busiest())
        for descriptor in ending:
            identity = own.identity(descriptor)
            if own.close(descriptor, identity):
                subscriptions.end(descriptor, identity)
                closed += 1
        self.closed[FLOOD] += closed
        self._hold(held=True)
        if closed and self._closing.admit(FLOOD, time.monotonic())[0]:
            text = "subscribers were disconnected (%d): together they sent more than can be read; new ones wait"
            logger.warning(text, closed)

    def _hold(self, *, held: bool) -> None:
        if held != self._holding and self._watch.listener is not None:
            DESCRIPTORS.hold(self._watch.listener, held=held)
        self._holding = held

    def _close(self, excess: Excess, frame: zmq.Frame) -> None:
        """Close a connection, or all if it cannot be told which one it is. Clients connect again."""
        assert self._connections is not None
        self.closed[excess.reason] += 1
        if excess.descriptor is None:
            self._connections.close_all()
        else:
            self._connections.close(excess.descriptor)
        if self._closing.admit("", time.monotonic())[0]:
            logger.warning("%s", _explanation(excess, frame, self._max_subscriptions))


def _explanation(excess: Excess, frame: zmq.Frame, most: int) -> str:
    if excess.descriptor is None:
        whose = "all subscribers were disconnected, because those with an old ZeroMQ cannot be told apart"
    elif excess.reason == "many_together":
        whose = "the subscriber with the most subscriptions was disconnected"
    else:
        whose = f"a subscriber at {frame.get('Peer-Address')} was disconnected"
    match excess.reason:
        case "long":
            return f"{whose}: it subscribed to more than {LONGEST_TOPIC} bytes, which no topic has"
        case "many":
            advice = "subscribe to shorter prefixes, or raise max_subscriptions"
            return f"{whose}: it had more than {most} subscriptions; {advice}"
        case "many_together":
            return f"{whose}: there were more than {CONNECTIONS_WORTH * most} together"


def _send(socket: zmq.Socket[bytes], topic: bytes, body: bytes) -> None:
    socket.send(topic, _WITH_MORE)
    socket.send(body, _AT_ONCE)


def _readable(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
