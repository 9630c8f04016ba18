"""How much of each connection ZeroMQ holds, within limits. It decides which to close; it has no sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

HEARTBEATS = 64
"""Bytes a second that do not count: heartbeats, which only ZeroMQ reads. With CURVE, one has 42."""


@dataclass(slots=True)
class _Connection:
    identity: int
    taken: int
    read: int
    at: float
    unread: float = 0.0
    ended: bool = False
    """Whether it was to be closed."""

    def look(self, taken: int, read: int, now: float) -> None:
        # Never below nothing: silence must not add up, nor what is read, which counts for a little more than was sent.
        left = max(0.0, self.unread - HEARTBEATS * (now - self.at))
        self.unread = max(0.0, left + taken - self.taken - (read - self.read))
        self.taken, self.read, self.at = taken, read, now


class UnreadBytes:
    """Counts the bytes of each connection that ZeroMQ has taken and that were not read.

    One that holds more than `most`, and still more at the next look, is to be closed. (ZeroMQ takes no more if it holds
    many complete messages.) So are those with most, if all hold more than `together`.

    `read` has the bytes that were read from each descriptor; it may grow at any time. `identify` returns what tells a
    connection from a later one with the same descriptor; None if there is none.
    """

    def __init__(
        self, most: int, together: int, read: Mapping[int, int], identify: Callable[[int], int | None]
    ) -> None:
        self._most = most
        self._together = together
        self._read = read
        self._identify = identify
        self._connections: dict[int, _Connection] = {}
        self._sum = 0.0

    def __len__(self) -> int:
        """Return the number of connections that are counted."""
        return len(self._connections)

    @property
    def closing(self) -> int:
        """Number of connections that are being closed, and were still there when `open()` was called."""
        return sum(connection.ended for connection in self._connections.values())

    def open(self) -> list[tuple[int, int]]:
        """Return descriptor and identity of those that are still there, and forget the others."""
        for descriptor, connection in list(self._connections.items()):
            if connection.identity != self._identify(descriptor):
                self._forget(descriptor)
        return [(descriptor, one.identity) for descriptor, one in self._connections.items() if not one.ended]

    def accepted(self, descriptor: int, now: float) -> bool:
        """Count what a new connection sends. Return whether it is still there."""
        self._forget(descriptor)
        identity = self._identify(descriptor)
        if identity is not None:
            self._connections[descriptor] = _Connection(identity, 0, self._read.get(descriptor, 0), now)
        return identity is not None

    def look(self, descriptor: int, taken: Callable[[int, int], int | None], now: float) -> Iterator[tuple[int, int]]:
        """Yield descriptor and identity of connections to be closed, now that this one may have sent something.

        `taken` returns the bytes that ZeroMQ has taken from it since it was accepted; None if it cannot be told.
        """
        connection = self._connections.get(descriptor)
        if connection is None or connection.ended:
            return
        if connection.identity != self._identify(descriptor):
            self._forget(descriptor)
            return
        read = self._read.get(descriptor, 0)  # before what was taken, because everything read was taken before
        number = taken(descriptor, connection.identity)
        if number is None:
            return
        before = connection.unread
        connection.look(number, read, now)
        self._sum += connection.unread - before
        if connection.unread > before > self._most:
            self._end(connection)
            yield descriptor, connection.identity
        elif self._sum > self._together:
            yield from self._largest(now)

    def _largest(self, now: float) -> Iterator[tuple[int, int]]:
        """Yield the connections with most, until the others have no more than they may have together."""
        for one, connection in list(self._connections.items()):
            if connection.identity != self._identify(one):
                del self._connections[one]
            elif not connection.ended:
                connection.look(connection.taken, self._read.get(one, 0), now)
        self._sum = sum(connection.unread for connection in self._connections.values())
        for one, connection in sorted(self._connections.items(), key=lambda item: -item[1].unread):
            if self._sum <= self._together:
                return
            self._end(connection)
            yield one, connection.identity

    def end(self, descriptor: int) -> None:
        """Stop counting a connection that is being closed."""
        self._end(self._connections[descriptor])

    def _end(self, connection: _Connection) -> None:
        self._sum -= connection.unread
        connection.unread = 0.0
        connection.ended = True

    def _forget(self, descriptor: int) -> None:
        connection = self._connections.pop(descriptor, None)
        if connection is not None:
            self._sum -= connection.unread
