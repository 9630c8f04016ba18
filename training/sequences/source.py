"""The interface of every source of training sequences."""

from __future__ import annotations

from typing import Any, Protocol

from training.sequences.tensors import Tensors


class Source(Protocol):
    """A source of batches whose random state can be saved, so that a resumed run sees the same batches as an
    uninterrupted one."""

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, on the CPU."""
        ...

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        ...
