"""Rate limit for repeated log messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class RepeatLimiter:
    """Admits `limit` messages of a kind per `per_s` seconds and counts the rest.

    Keeps the counts of the `kinds` most recent kinds.
    """

    def __init__(self, limit: int = 20, per_s: float = 10.0, kinds: int = 512) -> None:
        self._limit, self._per_s, self._kinds = limit, per_s, kinds
        self._seen: OrderedDict[Hashable, tuple[float, int, int]] = OrderedDict()

    def admit(self, kind: Hashable, now: float) -> tuple[bool, int]:
        """Return whether to log the message at `now` (s), and how many of its kind were suppressed before it."""
        since, admitted, suppressed = self._seen.pop(kind, (now, 0, 0))
        if now - since >= self._per_s:
            since, admitted = now, 0
        admit = admitted < self._limit
        self._seen[kind] = (since, admitted + 1, 0) if admit else (since, admitted, suppressed + 1)
        while len(self._seen) > self._kinds:
            self._seen.popitem(last=False)
        return admit, suppressed if admit else 0
