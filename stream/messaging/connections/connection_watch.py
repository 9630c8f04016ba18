"""Closes dead connections to a bound socket, and those with endless messages, in a thread of its own.

ZeroMQ collects the parts of a message until the last one has come, without a limit, and hands over none before. One
that has only a byte takes 64 bytes and more. The kernel counts what ZeroMQ has taken from a TCP connection; what was
read is subtracted. Of `ipc://`, it is not known how much was sent, and none is closed.

Resets do not arrive (see `open_connections`): a connection whose other side was killed is found dead instead.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial

import zmq
from zmq.utils.monitor import recv_monitor_message

from stream.messaging.connections.dead_connections import DeadConnections
from stream.messaging.connections.open_connections import Connections, return_memory
from stream.messaging.connections.tcp_state import TcpState
from stream.messaging.connections.unread_bytes import UnreadBytes
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

UNFINISHED = "unfinished"
"""Why connections are closed, beside the reasons of `stream.messaging.xpub.subscriptions`."""

MOST = 1 << 20
"""Bytes of one connection that ZeroMQ may hold. It queues a thousand requests for replay, which have less together; of
subscriptions, it takes few before the rest waits in the kernel."""
TOGETHER = 32 << 20
"""Bytes that it may hold of all connections to a socket."""
FRAME_BYTES = 64
"""What a frame takes beside its body, at most: its head, and what CURVE adds."""
RECEIVE_BUFFER = 256 << 10
"""Bytes that wait in the kernel for ZeroMQ to take them, for each connection. Clients send little."""
LOOK_EVERY_S = 0.01
"""Shortest interval between checks of what connections have sent."""
SWEEP_S = 1.0
"""Interval between checks of all connections for dead ones."""
TRY_AGAIN_S = 1.0
RETURN_MEMORY_S = 1.0
"""Time after a connection was closed, in which ZeroMQ frees what it had sent."""

EVENTS = int(zmq.EVENT_ACCEPTED | zmq.EVENT_MONITOR_STOPPED)
"""Events of the socket that a watch needs."""


class ConnectionWatch:
    """Watches one socket, from `start()` until it is closed. `most`: bytes of one connection, `together`: of all."""

    def __init__(self, most: int = MOST, together: int = TOGETHER) -> None:
        self.closed = 0
        """Connections closed because of unfinished messages."""
        self.listener: int | None = None
        """The descriptor of the bound TCP socket."""
        self._most, self._together = most, together
        self._monitor: zmq.Socket[bytes] | None = None
        self._endpoint = ""
        self._read: dict[int, int] = {}
        self._logged = RepeatLimiter(limit=1, per_s=60.0)

    def attach(self, monitor: zmq.Socket[bytes], endpoint: str) -> None:
        """Take over a socket that receives `EVENTS` of the one bound to this endpoint, with its real port."""
        self._monitor, self._endpoint = monitor, endpoint

    def start(self) -> None:
        """Start to watch, if it is possible."""
        if self._monitor is not None:
            with suppress(OSError):  # no descriptor is free
                Connections(self._endpoint).protect()
            arguments = (self._monitor, select.epoll())
            threading.Thread(target=self._serve, args=arguments, name="connections", daemon=True).start()

    def read(self, frames: Iterable[zmq.Frame]) -> None:
        """Record frames of a message that was read. Only one thread at a time may call this."""
        descriptor = None
        for frame in frames:
            descriptor = descriptor_of(frame) if descriptor is None else descriptor
            if descriptor is not None:
                self._read[descriptor] = self._read.get(descriptor, 0) + len(frame) + FRAME_BYTES

    # -- in the thread ------------------------------------------------------------------------------------------
    def _serve(self, monitor: zmq.Socket[bytes], first: select.epoll) -> None:
        # If the monitor were closed before the socket, ZeroMQ would wait for it for ever.
        with monitor:
            while True:
                try:
                    with first if not first.closed else select.epoll() as poll:
                        return self._watch(monitor, poll)
                except zmq.ContextTerminated:
                    return
                except Exception:
                    if self._logged.admit("", time.monotonic())[0]:
                        logger.exception("%s: open connections are no longer watched, later ones are", self._endpoint)
                    time.sleep(TRY_AGAIN_S)

    def _watch(self, monitor: zmq.Socket[bytes], poll: select.epoll) -> None:
        connections = Connections(self._endpoint)
        unread = UnreadBytes(self._most, self._together, self._read, connections.identity)
        dead = DeadConnections()
        events = int(monitor.getsockopt(zmq.FD))
        poll.register(events, select.EPOLLIN)
        return_at: float | None = None
        sweep_at = time.monotonic() + SWEEP_S
        changed: set[int] = set()
        while True:
            now = time.monotonic()
            accepted = _accepted(monitor)
            if accepted is None:
                return
            for descriptor in accepted:
                if unread.accepted(descriptor, now) and _register(poll, descriptor):
                    changed.add(descriptor)
            ended = False
            for descriptor in changed:
                for excess in unread.look(descriptor, partial(_taken, connections), now):
                    self._close(connections, *excess, now)
                    ended = True
            if now >= sweep_at:
                sweep_at = now + SWEEP_S
                closing = unread.closing
                open_ones = unread.open()
                ended |= unread.closing < closing
                for descriptor, identity in dead.look(_states(connections, open_ones), now):
                    unread.end(descriptor)
                    self._close_dead(connections, descriptor, identity, now)
                    ended = True
            if ended:
                return_at = now + RETURN_MEMORY_S
            elif return_at is not None and now >= return_at:
                return_at = None
                return_memory()
            time.sleep(LOOK_EVERY_S)
            waits = sweep_at - now if return_at is None else min(sweep_at, return_at) - now
            idle = not unread and return_at is None
            changed = {one for one, _ in poll.poll(None if idle else max(0.0, waits))}
            changed.discard(events)

    def _close(self, connections: Connections, descriptor: int, identity: int, now: float) -> None:
        address = connections.peer(descriptor, identity)
        if not connections.close(descriptor, identity):
            return
        self.closed += 1
        if self._logged.admit(address, now)[0]:
            text = "%s: a client at %s was disconnected: it sent over %d KiB that are no complete message"
            logger.warning(text, self._endpoint, address, self._most >> 10)

    def _close_dead(self, connections: Connections, descriptor: int, identity: int, now: float) -> None:
        address = connections.peer(descriptor, identity)
        if connections.close(descriptor, identity) and self._logged.admit(f"dead {address}", now)[0]:
            logger.info("%s: a client at %s was disconnected: it no longer answers", self._endpoint, address)


def descriptor_of(frame: zmq.Frame) -> int | None:
    """Return the descriptor of the connection from which the frame came; None if ZeroMQ does not know."""
    try:
        return int(frame.get("__fd"))
    except zmq.ZMQError:
        return None


def _accepted(monitor: zmq.Socket[bytes]) -> list[int] | None:
    """Return the descriptors of connections that were accepted; None if the socket is closed."""
    accepted: list[int] = []
    while True:
        try:
            event = recv_monitor_message(monitor, zmq.NOBLOCK)
        except zmq.Again:
            return accepted
        if event["event"] == zmq.EVENT_MONITOR_STOPPED:
            return None
        if event["event"] == zmq.EVENT_ACCEPTED:
            accepted.append(int(event["value"]))


def _register(poll: select.epoll, descriptor: int) -> bool:
    """Have `poll` tell each time that the connection has sent something, until it ends."""
    try:
        poll.register(descriptor, select.EPOLLIN | select.EPOLLET)
    except OSError:  # it has just ended
        return False
    return True


def _taken(connections: Connections, descriptor: int, identity: int) -> int | None:
    """Return the bytes that ZeroMQ has taken from the connection; None if it cannot be told."""
    state = connections.state(descriptor, identity)
    return None if state is None else state.taken


def _states(connections: Connections, which: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, TcpState]]:
    for descriptor, identity in which:
        state = connections.state(descriptor, identity)
        if state is not None:
            yield descriptor, identity, state
