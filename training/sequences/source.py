"""The interface of every source of training sequences, and the base of those with one random generator."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

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


class SeededSource:
    """Base of a source whose whole state is that of one random generator."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def state(self) -> dict[str, Any]:
        """Return the random state, to be saved with a run's state."""
        return dict(self.rng.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved random state."""
        self.rng.bit_generator.state = state
