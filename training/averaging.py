"""Running mean of the weights (EMA): evaluated and saved in place of weights that the last few batches pulled about.

Owns a copy of the network for as long as the run lasts.
"""

from __future__ import annotations

import copy

import torch

from stages.network import ActionNetwork


class WeightAverage:
    """Moves towards a network's weights, by 1 − decay a step; buffers are copied."""

    def __init__(self, network: ActionNetwork, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: ActionNetwork, step: int) -> None:
        """After optimiser step number `step` (from 1): early on the decay is only (1 + step) / (10 + step)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.network.parameters(), network.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)
        self.network.eval()  # what was folded from the old weights is forgotten
