"""Frame actions: each step's action from its own frame alone, in the place of the action LSTM where time takes no part.

Owns nothing but the temperature of the scores; the layer that scores a frame is the network's (docs/method.md,
"Leaving stages out").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FrameActions(nn.Module):
    """Takes steps as `ActionLSTM` does and passes each one's logits on: no step changes another's answer."""

    hidden = 1
    """Numbers of state a person: none is needed, and a bank keeps at least one."""
    layers = 1

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.width = actions
        self.temperature: Tensor
        # Fitted after training, so that a score is how often it is right; it changes no answer. 1: as trained.
        self.register_buffer("temperature", torch.ones(()))

    def sequence(self, embedded: Tensor, dt: Tensor) -> Tensor:
        """The frames' logits [n, T, actions] → logits [n, T, actions]; `dt` [n, T] isn't read."""
        return embedded / self.temperature

    def step(
        self, embedded: Tensor, dt: Tensor, reset: Tensor, h: Tensor, c: Tensor, answer: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`embedded` [n, actions], a frame's logits of n people → logits [n, actions], and h and c as they were."""
        return embedded / self.temperature, h, c
