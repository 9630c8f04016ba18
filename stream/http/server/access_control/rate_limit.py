"""Rate limits per client address: a token bucket each, for a bounded number of addresses."""

from __future__ import annotations

from collections import OrderedDict

from stream.http.server.protocol.admission import network_of

ADDRESSES = 1024
"""Number of addresses to remember; the one unused for the longest time is forgotten first."""


class RateLimiter:
    """Allows each address `per_second` requests on average and bursts of twice as many. Times are monotonic seconds."""

    def __init__(self, per_second: float, addresses: int = ADDRESSES) -> None:
        self._per_second = per_second
        self._burst = max(1.0, 2 * per_second)
        self._addresses = addresses
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now: float, cost: float = 1.0) -> float:
        """Take `cost` requests and return 0, or take nothing and return the seconds to wait."""
        name = network_of(address)
        left = self._at(name, now)
        self._store(name, left - cost if left >= cost else left, now)
        return 0.0 if left >= cost else (cost - left) / self._per_second

    def punish(self, address: str, now: float, cost: float) -> None:
        """Take `cost` requests even if they are not available, so that the address has to wait."""
        name = network_of(address)
        self._store(name, max(-self._burst, self._at(name, now) - cost), now)

    def _at(self, name: str, now: float) -> float:
        left, then = self._left.get(name, (self._burst, now))
        return min(self._burst, left + (now - then) * self._per_second)

    def _store(self, name: str, left: float, now: float) -> None:
        self._left[name] = (left, now)
        self._left.move_to_end(name)
        while len(self._left) > self._addresses:
            self._left.popitem(last=False)
