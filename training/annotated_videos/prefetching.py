"""Preparing the next batch while the current one is trained on.

One thread decodes videos while the other computes gradients. Batches and saved states are the same as without it.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from training.sequences.source import Source
from training.sequences.tensors import Tensors


class Prefetcher:
    """Gives the batches of `source`, always with the same count and window; holds two at once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, "prefetch")
        self._waiting: tuple[dict[str, Any], Future[Tensors]] | None = None
        """The source's state before the next batch, and that batch."""

    def batch(self, count: int, window: int) -> Tensors:
        """Return the source's batch; raises its errors at most one batch later."""
        made = self._source.batch(count, window) if self._waiting is None else self._waiting[1].result()
        self._waiting = self._source.state(), self._thread.submit(self._source.batch, count, window)
        return made

    def state(self) -> dict[str, Any]:
        """Return the state without the prefetched batch."""
        return self._source.state() if self._waiting is None else self._waiting[0]

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state; the prefetched batch is dropped."""
        if self._waiting is not None:
            self._waiting[1].exception()  # Wait: until it is done, it changes the source.
            self._waiting = None
        self._source.restore(state)
