"""Generated sequences, pooled and reused, because generating one costs more than learning from it."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from stages.vocabulary import Vocabulary
from training.sequences.features import to_tensors
from training.sequences.tensors import Tensors
from training.synthetic.sequences.generator import Generator


class Generated:
    """A source of generated sequences. `reuse`: how often a batch is used on average; `pool`: batches kept for that."""

    def __init__(
        self,
        motions: Path,
        vocabulary: Vocabulary,
        seed: int,
        *,
        balanced: bool = False,
        reuse: int = 1,
        pool: int = 1,
        partial: bool = False,
    ) -> None:
        """`motions`: the folder of motion clips. `balanced`: equally many sequences end with each action. `partial`:
        the vocabulary may lack generated actions, which are then unknown.

        Raises ValueError if the vocabulary lacks a generated action all the same.
        """
        self.generator = Generator(motions, vocabulary, seed, partial=partial)
        self._balanced, self._reuse = balanced, reuse
        self._taken = 0
        self._pool: deque[tuple[dict[str, Any], int, int, Tensors]] = deque(maxlen=pool)
        """Recent batches, each with the generator's state before it, its count and its window, to make it again."""

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, new or from the pool."""
        self._taken += 1
        if (self._taken - 1) % self._reuse and len(self._pool) > 1:
            # Draws from the generator's own random state, which is saved.
            return self._pool[int(self.generator.rng.integers(len(self._pool)))][-1]
        before = self.generator.state()
        self._pool.append((before, count, window, self.fresh(count, window)))
        return self._pool[-1][-1]

    def fresh(self, count: int, window: int) -> Tensors:
        """Return new sequences without using the pool."""
        make = self.generator.balanced_batch if self._balanced else self.generator.batch
        return to_tensors(make(count, window))

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        return {
            "generator": self.generator.state(),
            "taken": self._taken,
            "pool": [list(entry[:-1]) for entry in self._pool],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state; the pool's batches are generated again."""
        self._pool.clear()
        for before, count, window in state["pool"]:
            self.generator.restore(before)
            self._pool.append((before, count, window, self.fresh(count, window)))
        self.generator.restore(state["generator"])
        self._taken = state["taken"]
