"""Running mean of the weights (EMA), which is evaluated and saved in place of the noisier current weights."""

from __future__ import annotations

import copy

import torch

from training.run.learning.learned import Learned


class WeightAverage:
    """Moves towards the trained weights by 1 − decay per step; buffers are copied."""

    def __init__(self, learned: Learned, decay: float) -> None:
        self.learned = copy.deepcopy(learned).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, learned: Learned, step: int) -> None:
        """Update after optimiser step `step` (from 1); the decay is at most (1 + step) / (10 + step)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.learned.parameters(), learned.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
        for mine, theirs in zip(self.learned.buffers(), learned.buffers(), strict=True):
            mine.copy_(theirs)
        self.learned.eval()  # drops values cached from the old weights
