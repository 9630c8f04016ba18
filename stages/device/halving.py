"""Splitting of work that does not fit into the device's memory into halves, repeatedly if necessary.

The size that fits is remembered, so that later batches are split at once. Now and then a larger size is tried, because
other programs may have freed memory on the device. Used by the inference thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from telemetry.observer import Observer

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

PIECES_BEFORE_RETRY = 500
"""Full pieces that must fit before twice the size is tried: 20 s at 25 batches a second."""
MAX_PIECES_BEFORE_RETRY = 32_000
"""The number is doubled after each failed retry, up to this: about 20 minutes."""


class TooLargeError(Exception):
    """The work did not fit into the device's memory and none of it was done; it can be retried in smaller pieces.

    Raised from torch's `OutOfMemoryError`.
    """


class Halving:
    """Does work on a number of items in as few pieces as fit. `limit`: items per piece, None while everything fits."""

    def __init__(
        self, work: str, items: str, observer: Observer, pieces_before_retry: int = PIECES_BEFORE_RETRY
    ) -> None:
        """`work` is the stage's name in metrics and logs, `items` the plural of what it processes."""
        self.limit: int | None = None
        self._work = work
        self._items = items
        self._observer = observer
        self._pieces_before_retry = self._initial_pieces_before_retry = pieces_before_retry
        self._pieces_fitted = 0
        self._largest_failed = 0
        self._retrying = False

    def run(self, count: int, attempt: Callable[[int, int], Result]) -> list[Result]:
        """Return the results of `attempt(start, stop)` for pieces that cover 0 … `count` once, in order.

        An attempt that raises `TooLargeError` is repeated with half of its items; for a single item, the cause of the
        error is raised.
        """
        results: list[Result] = []
        start = 0
        while start < count:
            size = min(count - start, self.limit or count)
            # Not within an `except` clause, where the traceback would keep the failed attempt's tensors alive.
            if self._fits(attempt, start, start + size, results):
                self._count_fitted(size)
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
        self._largest_failed = max(self._largest_failed, size)
        if self._retrying:
            longest = max(MAX_PIECES_BEFORE_RETRY, self._initial_pieces_before_retry)
            self._pieces_before_retry = min(self._pieces_before_retry * 2, longest)
            self._retrying = False
        self._pieces_fitted = 0
        self.limit = (size + 1) // 2
        logger.warning(
            "%s: %d %s at once don't fit into the device's memory; using at most %d from now on. Lower "
            "batch.max_frames or cameras[].detector_size, or free memory on the device",
            self._work,
            size,
            self._items,
            self.limit,
        )

    def _count_fitted(self, size: int) -> None:
        if self.limit is None or size < self.limit:
            return
        self._pieces_fitted += 1
        if self._pieces_fitted < self._pieces_before_retry:
            return
        self._pieces_fitted = 0
        self._retrying = True
        doubled = self.limit * 2
        self.limit = doubled if doubled < self._largest_failed else None
        logger.info("%s: trying %s %s at once again", self._work, self.limit or "all", self._items)
