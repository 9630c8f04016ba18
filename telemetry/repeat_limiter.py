"""Keeps one thing that goes wrong thousands of times a second from being all that a log says. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class RepeatLimiter:
    """Admits `limit` messages of a kind in every `per_s` seconds and counts the rest.

    Remembers the `kinds` kinds seen last; one that falls out of memory starts anew.
    """

    def __init__(self, limit: int = 20, per_s: float = 10.0, kinds: int = 512) -> None:
        self._limit, self._per_s, self._kinds = limit, per_s, kinds
        self._seen: OrderedDict[Hashable, tuple[float, int, int]] = OrderedDict()

    def admit(self, kind: Hashable, now: float) -> tuple[bool, int]:
        """Whether to let the message through at `now` (s), and how many of its kind were held back before it."""
        since, admitted, held_back = self._seen.pop(kind, (now, 0, 0))
        if now - since >= self._per_s:
            since, admitted = now, 0
        admit = admitted < self._limit
        self._seen[kind] = (since, admitted + 1, 0) if admit else (since, admitted, held_back + 1)
        while len(self._seen) > self._kinds:
            self._seen.popitem(last=False)
        return admit, held_back if admit else 0
