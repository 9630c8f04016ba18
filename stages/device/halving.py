"""Halving: work that doesn't fit into the device's memory is done in two halves, and those in halves again if need be.

Owns how much is tried at once: what didn't fit isn't tried again with every batch, and what fits today may be more
tomorrow, for other programs use the same card. Lives as long as its pipeline; called from the inference thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from telemetry.observer import Observer

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

PIECES_BEFORE_MORE = 500
"""Full pieces that have to fit before twice as much is tried: 20 s at 25 batches a second."""
MOST_PIECES_BEFORE_MORE = 32_000
"""Each time that more turned out not to fit, twice as many pieces have to, up to this: about 20 minutes."""


class TooLargeError(Exception):
    """The work didn't fit into the device's memory and nothing of it was done: do less at once.

    Raised from torch's own `OutOfMemoryError`.
    """


class Halving:
    """Does work on a number of items in as few pieces as fit. `limit`: items a piece, None while everything fits."""

    def __init__(self, work: str, items: str, observer: Observer, pieces_before_more: int = PIECES_BEFORE_MORE) -> None:
        """`work` names it in metrics and logs, `items` what it is done on."""
        self.limit: int | None = None
        self._work = work
        self._items = items
        self._observer = observer
        self._patience = self._first_patience = pieces_before_more
        self._fitted = 0
        self._most_wanted = 0
        self._trying_more = False

    def run(self, count: int, attempt: Callable[[int, int], Result]) -> list[Result]:
        """The results of `attempt(start, stop)` over 0 … `count`, in order, each item in just one of them.

        An attempt that raises `TooLargeError` is made again with half of its items; on one item, its cause is raised.
        """
        results: list[Result] = []
        start = 0
        while start < count:
            size = min(count - start, self.limit or count)
            # Out of the `except` clause: while it lasts, the traceback keeps the failed attempt's tensors alive.
            if self._fits(attempt, start, start + size, results):
                self._fitted_one(size)
                start += size
            else:
                self._lower(size)
        return results

    def _fits(self, attempt: Callable[[int, int], Result], start: int, stop: int, results: list[Result]) -> bool:
        try:
            results.append(attempt(start, stop))
        except TooLargeError as error:
            self._observer.out_of_memory(self._work)
            if stop - start == 1 and error.__cause__ is not None:
                raise error.__cause__ from None
            return False
        return True

    def _lower(self, size: int) -> None:
        self._most_wanted = max(self._most_wanted, size)
        if self._trying_more:
            self._patience = min(self._patience * 2, max(MOST_PIECES_BEFORE_MORE, self._first_patience))
            self._trying_more = False
        self._fitted = 0
        self.limit = (size + 1) // 2
        logger.warning(
            "%s: %d %s at once don't fit into the device's memory; from now on at most %d. Lower batch.max_frames or "
            "cameras[].detector_size, or free memory on the device",
            self._work,
            size,
            self._items,
            self.limit,
        )

    def _fitted_one(self, size: int) -> None:
        if self.limit is None or size < self.limit:
            return
        self._fitted += 1
        if self._fitted < self._patience:
            return
        self._fitted = 0
        self._trying_more = True
        more = self.limit * 2
        self.limit = more if more < self._most_wanted else None
        logger.info("%s: trying %s %s at once again", self._work, self.limit or "all", self._items)
