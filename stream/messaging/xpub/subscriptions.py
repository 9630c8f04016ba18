"""The subscriptions of each connection, within limits. It decides which connection to close; it has no sockets.

ZeroMQ keeps subscriptions in a tree of bytes, which takes about 46 times their length. It passes each one on with the
file descriptor of its connection, except for peers that speak a version of its protocol before 3 (libzmq before 4.0).
When a connection ends, ZeroMQ cancels its subscriptions without saying whose they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

Reason = Literal["long", "many", "many_together"]
REASONS: tuple[Reason, ...] = get_args(Reason)

CONNECTIONS_WORTH = 4
"""Subscriptions of all connections together, as a multiple of those that one may have."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A connection to be closed (`descriptor`; None: all, because it cannot be told which one it is), and why."""

    descriptor: int | None
    reason: Reason


@dataclass(slots=True)
class _Connection:
    identity: int
    prefixes: set[bytes] = field(default_factory=set[bytes])
    ended: bool = False
    """Whether it was to be closed."""


class Subscriptions:
    """Counts subscriptions, of at most `longest` bytes each and `most` of one connection.

    `identify` returns what tells a connection from a later one with the same descriptor; None if there is none.
    `descriptors` returns those of all open connections, or raises OSError. `answers` returns whether a connection may
    still be alive.
    """

    def __init__(
        self,
        most: int,
        longest: int,
        identify: Callable[[int], int | None],
        descriptors: Callable[[], Iterable[int]],
        answers: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.most = most
        self._longest = longest
        self._identify = identify
        self._descriptors = descriptors
        self._answers = answers
        self._connections: dict[int, _Connection] = {}
        self._live = 0
        self._unidentified = 0
        """Subscriptions of peers without descriptors, also of those that have left: others could cancel them. They are
        forgotten when all connections that are open have subscribed with their descriptors."""
        self._unknown: tuple[int, int | None] | None = None
        """An open connection that has not, by descriptor and identity, so that they are seldom sought."""

    def __len__(self) -> int:
        return self._live + self._unidentified

    def add(self, descriptor: int | None, prefix: bytes) -> Excess | bool:
        """Take a subscription. Return what is to be closed because of it, or else whether it counts."""
        connection = None
        if descriptor is not None:
            identity = self._identify(descriptor)
            if identity is None:
                return False  # its connection has ended
            connection = self._connections.get(descriptor)
            if connection is None or connection.identity != identity:
                self._forget(descriptor)
                connection = self._connections[descriptor] = _Connection(identity)
            if connection.ended:
                return False
        if len(prefix) > self._longest:
            return self._end(descriptor, "long")
        if connection is None:
            self._unidentified += 1
            number = self._unidentified
        elif prefix in connection.prefixes:
            return True
        else:
            connection.prefixes.add(prefix)
            self._live += 1
            number = len(connection.prefixes)
        if number > self.most:
            return self._end(descriptor, "many")
        if len(self) > CONNECTIONS_WORTH * self.most:
            self.sweep()
        if len(self) > CONNECTIONS_WORTH * self.most:
            return self._end(self._largest(), "many_together")
        return True

    def cancel(self, descriptor: int, prefix: bytes) -> None:
        """Take the cancellation of a connection's own subscription; that of another is ignored."""
        connection = self._connections.get(descriptor)
        if connection is None or connection.ended or connection.identity != self._identify(descriptor):
            return
        if prefix in connection.prefixes:
            connection.prefixes.remove(prefix)
            self._live -= 1

    def sweep(self) -> bool:
        """Forget connections that are no longer there, and subscriptions that only those without descriptors may have.

        Return whether a connection that was to be closed is no longer there.
        """
        gone = [one for one, connection in self._connections.items() if connection.identity != self._identify(one)]
        ended = any(self._connections[one].ended for one in gone)
        for one in gone:
            self._forget(one)
        if self._unidentified and not self._is_unknown(self._unknown):
            try:
                unknown = ((one, self._identify(one)) for one in self._descriptors())
                self._unknown = next(filter(self._is_unknown, unknown), None)
            except OSError:  # no descriptor is free to look for them
                return ended
            if self._unknown is None:
                self._unidentified = 0
        return ended

    def _is_unknown(self, one: tuple[int, int | None] | None) -> bool:
        """Return whether a connection is open and has not subscribed with its descriptor. Call this after a sweep."""
        if one is None or one[0] in self._connections:
            return False
        return one[1] is not None and one[1] == self._identify(one[0])

    def _largest(self) -> int | None:
        """Return the connection with the most subscriptions; None if those without descriptors have more.

        A connection that does not answer comes first: its client may have connected again.
        """
        silent = [
            one for one, connection in self._connections.items() if connection.prefixes and not self._answers(one)
        ]
        if silent:
            return max(silent, key=lambda one: len(self._connections[one].prefixes))
        largest = max(self._connections, key=lambda one: len(self._connections[one].prefixes), default=None)
        if largest is None or len(self._connections[largest].prefixes) < self._unidentified:
            return None
        return largest

    def _end(self, descriptor: int | None, reason: Reason) -> Excess:
        if descriptor is None:
            self._unidentified = 0
        ending = self._connections.values() if descriptor is None else [self._connections[descriptor]]
        for connection in ending:
            self._live -= len(connection.prefixes)
            connection.prefixes = set()
            connection.ended = True
        return Excess(descriptor, reason)

    def _forget(self, descriptor: int) -> None:
        connection = self._connections.pop(descriptor, None)
        if connection is not None:
            self._live -= len(connection.prefixes)
