"""Which engine has the most room for another camera."""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterable, Iterator
from itertools import count

from fleet.placement.events import Wish
from fleet.placement.records import EngineRecord

USUAL_COST = Wish().pixels


class Room:
    """The engines that may get cameras, by the share of their capacity that is in use.

    Choosing and changing cost O(log engines): a heap whose outdated entries are recognised by their number. The order
    is by the share after placing a camera of the usual cost, then by name.
    """

    def __init__(self, headroom: float) -> None:
        self._usable = 1 - headroom
        self._heap: list[tuple[float, str, int, EngineRecord]] = []
        self._entries = count(1)
        self._trimmed = 0
        self.freest = 0.0
        """Room of the freest engine, megapixels per second, when a camera last found no engine. None has more now."""

    def usable(self, engine: EngineRecord) -> float:
        """Return the megapixels per second that placing may use of an engine."""
        return engine.report.capacity * self._usable

    def free(self, engine: EngineRecord) -> float:
        """Return the megapixels per second that the engine can still take; negative if it may get no camera."""
        if not engine.known or engine.emptying or len(engine.held) >= engine.report.max_cameras:
            return -1.0
        return self.usable(engine) - engine.load

    def share(self, engine: EngineRecord, more: float = USUAL_COST) -> float:
        """Return the share of its capacity that is in use with `more` megapixels per second."""
        return (engine.load + more) / max(self.usable(engine), 1e-9)

    def changed(self, engine: EngineRecord) -> None:
        """Note that the engine's load, capacity or readiness has changed."""
        engine.entry = next(self._entries)
        free = self.free(engine)
        if free <= 0:
            return
        heapq.heappush(self._heap, (self.share(engine), engine.name, engine.entry, engine))
        self._trim()
        self.freest = max(self.freest, free)

    def gone(self, engine: EngineRecord) -> None:
        """Note that the engine is lost."""
        engine.entry = 0

    def _trim(self) -> None:
        """Drop outdated entries if there may be more of them than valid ones."""
        if len(self._heap) > 2 * self._trimmed + 64:
            self._heap = [entry for entry in self._heap if entry[3].entry == entry[2]]
            heapq.heapify(self._heap)
            self._trimmed = len(self._heap)

    def may_take(self, cost: float) -> bool:
        """Return whether `best` could find an engine. False: it was too much, and no engine got as much room since."""
        return cost <= self.freest

    def best(self, cost: float, barred: Container[str] = ()) -> EngineRecord | None:
        """Return the engine with the least share in use that has room for `cost`; None if there is none."""
        if not self.may_take(cost):
            return None
        passed: list[tuple[float, str, int, EngineRecord]] = []
        found = None
        for entry in self._in_order():
            engine = entry[3]
            if engine.name not in barred and self.free(engine) >= cost:
                found = engine
                break
            passed.append(heapq.heappop(self._heap))
        for entry in passed:
            heapq.heappush(self._heap, entry)
        if found is None:
            self.freest = max((self.free(entry[3]) for entry in passed), default=0.0)
        return found

    def best_of(self, engines: Iterable[EngineRecord], cost: float, barred: Container[str]) -> EngineRecord | None:
        """Return the same of a few engines."""
        fitting = [engine for engine in engines if engine.name not in barred and self.free(engine) >= cost]
        return min(fitting, key=lambda engine: (self.share(engine, cost), engine.name), default=None)

    def _in_order(self) -> Iterator[tuple[float, str, int, EngineRecord]]:
        """Yield the first entry, as long as the caller removes it."""
        while self._heap:
            if self._heap[0][3].entry == self._heap[0][2]:
                yield self._heap[0]
            else:
                heapq.heappop(self._heap)
