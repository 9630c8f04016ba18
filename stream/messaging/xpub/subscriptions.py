"""What each connection sends, within limits. It decides which connection to close; it has no sockets.

ZeroMQ keeps subscriptions in a tree of bytes, which takes about 46 times their length. It passes each one on with the
file descriptor of its connection, except for peers that speak a version of its protocol before 3 (libzmq before 4.0).
When a connection ends, ZeroMQ cancels its subscriptions without saying whose they were.

Whenever the socket is used, ZeroMQ takes a message or two from each connection, into a list without a limit. One
connection cannot fill it, but many that send without a pause can: more is taken than is read. It is a flood when more
was read than there may be subscriptions, and some still wait.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal, get_args

Reason = Literal["long", "many", "many_together"]
FLOOD = "flood"
"""Reason for closing connections that only send too many messages."""
REASONS: tuple[str, ...] = (*get_args(Reason), FLOOD)

CONNECTIONS_WORTH = 4
"""Subscriptions of all connections together, as a multiple of those that one may have."""
LEAST_FLOOD = 8192
"""Messages that are no flood, even if few subscriptions are allowed."""
FLOOD_GOES_ON = 8
"""Into how many parts that number is divided: a flood that goes on is reported again after each."""


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
    sent: int = 0
    """Messages in the period `period`."""
    period: int = 0


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
        self._period = 0
        """Begins when all messages that waited have been read."""
        self._sent = 0
        """Messages in this period."""
        self._flood = self._flood_at = max(CONNECTIONS_WORTH * most, LEAST_FLOOD)
        self._unidentified = 0
        """Subscriptions of peers without descriptors, also of those that have left: others could cancel them. They are
        forgotten when all connections that are open have subscribed with their descriptors."""
        self._unknown: tuple[int, int | None] | None = None
        """An open connection that has not, by descriptor and identity, so that they are seldom sought."""

    def __len__(self) -> int:
        return self._live + self._unidentified

    def all_read(self) -> None:
        """Record that no message waits."""
        self._period += 1
        self._sent, self._flood_at = 0, self._flood

    def read(self, descriptor: int | None) -> bool:
        """Count a message of any kind. Return whether there is a flood. Messages of closed connections do not count."""
        if descriptor is not None:
            connection = self._open(descriptor)
            if connection is None or connection.ended:
                return False
            connection.sent = self._sent_by(connection) + 1
            connection.period = self._period
        self._sent += 1
        if self._sent <= self._flood_at:
            return False
        self._flood_at += self._flood // FLOOD_GOES_ON
        return True

    def busiest(self) -> list[int]:
        """Return the connections that have sent half of what open ones have sent in this period."""
        self.sweep()
        sent = {one: self._sent_by(connection) for one, connection in self._connections.items() if not connection.ended}
        order = sorted(filter(sent.get, sent), key=lambda one: -sent[one])
        together = list(accumulate(sent[one] for one in order))
        return order[: bisect_left(together, sum(sent.values()) / 2) + 1]

    def end(self, descriptor: int, identity: int | None) -> None:
        """Count a connection no longer, because it is being closed."""
        connection = self._connections.get(descriptor)
        if connection is not None and connection.identity == identity:
            self._end_one(connection)

    def add(self, descriptor: int | None, prefix: bytes) -> Excess | bool:
        """Take a subscription. Return what is to be closed because of it, or else whether it counts."""
        connection = None
        if descriptor is not None:
            connection = self._open(descriptor)
            if connection is None or connection.ended:
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
        for connection in self._connections.values() if descriptor is None else [self._connections[descriptor]]:
            self._end_one(connection)
        return Excess(descriptor, reason)

    def _end_one(self, connection: _Connection) -> None:
        self._live -= len(connection.prefixes)
        connection.prefixes = set()
        connection.ended = True

    def _forget(self, descriptor: int) -> None:
        connection = self._connections.pop(descriptor, None)
        if connection is not None:
            self._live -= len(connection.prefixes)

    def _open(self, descriptor: int) -> _Connection | None:
        """Return the connection that has this descriptor now; None if it has ended."""
        identity = self._identify(descriptor)
        if identity is None:
            return None
        connection = self._connections.get(descriptor)
        if connection is None or connection.identity != identity:
            self._forget(descriptor)
            connection = self._connections[descriptor] = _Connection(identity)
        return connection

    def _sent_by(self, connection: _Connection) -> int:
        return connection.sent if connection.period == self._period else 0
