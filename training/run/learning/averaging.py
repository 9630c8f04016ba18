"""Running mean of the weights (EMA): evaluated and saved in place of weights that the last few batches pulled about.

Owns a copy of what is learned for as long as the run lasts.
"""

from __future__ import annotations

import copy

import torch

from training.run.learning.learned import Learned


class WeightAverage:
    """Moves towards the weights that are learned, by 1 − decay a step; buffers are copied."""

    def __init__(self, learned: Learned, decay: float) -> None:
        self.learned = copy.deepcopy(learned).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, learned: Learned, step: int) -> None:
        """After optimiser step number `step` (from 1): early on the decay is only (1 + step) / (10 + step)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.learned.parameters(), learned.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
        for mine, theirs in zip(self.learned.buffers(), learned.buffers(), strict=True):
            mine.copy_(theirs)
        self.learned.eval()  # what was folded from the old weights is forgotten
