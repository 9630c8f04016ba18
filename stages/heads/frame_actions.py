"""A stand-in for the action LSTM in networks without time: each step's action comes from its own frame.

The layer that scores a frame belongs to the network (docs/method.md, "Leaving stages out").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FrameActions(nn.Module):
    """Has the interface of `ActionLSTM`, but returns each step's frame logits; steps are independent."""

    hidden = 1
    """Size of a person's state: none is needed, but a bank keeps at least one number."""
    layers = 1
    recent = (0, 0)

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.width = actions
        self.temperature: Tensor
        # Fitted after training, so that scores are calibrated; it does not change the order of actions.
        self.register_buffer("temperature", torch.ones(()))

    def sequence(self, embedded: Tensor, dt: Tensor) -> Tensor:
        """Return logits [n, T, actions] from the frames' logits [n, T, actions]; `dt` is ignored."""
        return embedded / self.temperature

    def blank(self, people: int) -> tuple[Tensor, ...]:
        """Return the states of `people` people before their first step, as `ActionLSTM.blank`."""
        zeros = self.temperature.new_zeros(self.layers, people, self.hidden)
        return zeros, zeros

    def step(
        self, embedded: Tensor, dt: Tensor, reset: Tensor, states: Sequence[Tensor], answer: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return logits [n, actions] from the frame's logits `embedded` [n, actions], and the states unchanged."""
        return embedded / self.temperature, tuple(states)
