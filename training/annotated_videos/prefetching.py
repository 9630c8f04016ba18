"""Makes the next batch while the one before is learned from: one thread decodes videos, the other makes gradients.

An `Ahead` owns the thread that does so. It changes no batch and no state: what was drawn ahead counts as not yet drawn.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from training.annotated_videos.tensors import Tensors


class Source(Protocol):
    """What batches of a folder's sequences come from."""

    def batch(self, count: int, window: int) -> Tensors:
        """`count` sequences of 1 to `window` steps, on the CPU."""
        ...

    def state(self) -> dict[str, Any]:
        """What it goes on from, for the state of the run."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        ...


class Ahead:
    """Gives the batches that `source` would, always of the same count and window; two of them are held at once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._waiting: tuple[dict[str, Any], Future[Tensors]] | None = None
        """The source's state before it began the next batch, and that batch."""

    def batch(self, count: int, window: int) -> Tensors:
        """As the source's; raises what it raises, a batch later than it happened at most."""
        made = self._source.batch(count, window) if self._waiting is None else self._waiting[1].result()
        self._waiting = self._source.state(), self._thread.submit(self._source.batch, count, window)
        return made

    def state(self) -> dict[str, Any]:
        """As if nothing had been drawn ahead."""
        return self._source.state() if self._waiting is None else self._waiting[0]

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; what was drawn ahead is dropped."""
        if self._waiting is not None:
            self._waiting[1].exception()  # Waits: it changes the source until it is done.
            self._waiting = None
        self._source.restore(state)
