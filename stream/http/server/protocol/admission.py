"""Which connections may be open: limits of all, and of one address, so that no host shuts out the others.

Connections of this machine are counted apart. They may all be of a reverse proxy, so only all of them together are
limited; they neither use the places of other hosts nor lose their own to them. Does not know sockets.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Hashable, Set
from dataclasses import dataclass

MAX_CONNECTIONS = 64
"""Open connections of other hosts in addition to the streams, and as many of this machine. Prometheus uses one, a
browser about six."""

MAX_PER_ADDRESS = 24
"""Of one other host: four browsers behind one router, while they load a page."""

HERE = "this machine"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a connection may be open, and the waiting connection that is to be closed for it."""

    admitted: bool
    instead_of: Hashable | None = None


@dataclass(slots=True)
class _Place:
    network: str
    waiting: bool = True
    stream: bool = False


class Admission:
    """The open connections, the oldest first."""

    def __init__(self, most: int = MAX_CONNECTIONS, per_address: int = MAX_PER_ADDRESS) -> None:
        self._most = most
        self._per_address = per_address
        self._places: dict[Hashable, _Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def judge(self, network: str) -> Verdict:
        """Return whether a connection from this network, or `HERE`, may be open.

        While there is no place, it gets that of the oldest connection that has not sent a whole head: of its own
        network, or of the one with most connections. Health probes send theirs at once.
        """
        here = network == HERE
        counted = [place for place in self._places.values() if not place.stream and (place.network == HERE) == here]
        held = Counter(place.network for place in counted)
        if not here and held[network] >= self._per_address:
            return self._instead_of(network)
        if held.total() < self._most:
            return Verdict(True)
        largest = max((place.network for place in counted if place.waiting), key=held.__getitem__, default=network)
        return self._instead_of(largest if held[largest] > held[network] else network)

    def add(self, connection: Hashable, network: str) -> None:
        """Count a connection that was accepted."""
        self._places[connection] = _Place(network)

    def began(self, connection: Hashable) -> bool:
        """Note that a connection has sent a whole head. Return whether it had not before."""
        place = self._places.get(connection)
        waited = place is not None and place.waiting
        if place is not None:
            place.waiting = False
        return waited

    def is_waiting(self, connection: Hashable) -> bool:
        """Return whether the connection has not sent a whole head."""
        place = self._places.get(connection)
        return place is not None and place.waiting

    def stream(self, connection: Hashable, *, is_one: bool) -> None:
        """Note whether a connection is a stream, which is not counted here."""
        if (place := self._places.get(connection)) is not None:
            place.stream = is_one

    def remove(self, connection: Hashable) -> None:
        """Count a connection no longer: it is being closed."""
        self._places.pop(connection, None)

    def keep(self, connections: Set[Hashable]) -> None:
        """Count these connections only: the others have ended."""
        self._places = {connection: place for connection, place in self._places.items() if connection in connections}

    def _instead_of(self, network: str) -> Verdict:
        for connection, place in self._places.items():
            if place.waiting and place.network == network:
                return Verdict(True, connection)
        return Verdict(False)


def network_of(address: str) -> str:
    """Return an IPv4 address unchanged, and the /64 of an IPv6 address: its owner usually has all of it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    if isinstance(parsed, ipaddress.IPv4Address) or mapped is not None:
        return str(mapped or parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def place_of(address: str) -> str:
    """Return `HERE` for an address of the loopback, and otherwise its network."""
    return HERE if is_loopback(address) else network_of(address)


def is_loopback(address: str) -> bool:
    """Return whether only this machine can have this address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
