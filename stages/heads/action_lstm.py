"""Action LSTM: what a person is doing, from their graph states over time; its state is kept in the state bank.

Owns its weights, which live in the checkpoint, and no state of any person. Two states a person are stepped at once (the
staggered window: the older one answers), each with the time since the person's last step as an input
(docs/method.md, "Action", and docs/architecture.md, "The sliding window").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MAX_STEP_SECONDS = 2.0
"""Δt is clipped to [0, 2 s]."""


class ActionLSTM(nn.Module):
    """Linear → LayerNorm → ReLU, with Δt beside it → LSTM over time → Linear: one logit an action."""

    def __init__(self, graph_inputs: int, width: int, hidden: int, layers: int, actions: int) -> None:
        super().__init__()
        self.width = width
        self.hidden = hidden
        self.layers = layers
        self.embed = nn.Sequential(nn.Linear(graph_inputs, width), nn.LayerNorm(width), nn.ReLU())
        self.lstm = nn.LSTM(width + 1, hidden, num_layers=layers)
        self.scores = nn.Linear(hidden, actions)
        self.temperature: Tensor
        # Fitted after training, so that a score is how often it is right; it changes no answer. 1: as trained.
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, graph: Tensor, dt: Tensor) -> Tensor:
        """`graph` [n, T, graph_inputs], `dt` [n, T] seconds since the step before (0 at the first) → logits
        [n, T, actions], from a state of zeros.
        """
        return self.sequence(self.embed(graph), dt)

    def sequence(self, embedded: Tensor, dt: Tensor) -> Tensor:
        """The same from what `embed` made: [n, T, width] → [n, T, actions]."""
        timed = torch.cat((embedded, dt.clamp(0, MAX_STEP_SECONDS)[..., None]), -1)
        output, _ = self.lstm(timed.transpose(0, 1))
        return self.scores(output.transpose(0, 1)) / self.temperature

    def step(
        self, embedded: Tensor, dt: Tensor, reset: Tensor, h: Tensor, c: Tensor, answer: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step of both states of n people.

        `embedded` [n, width]; `dt` [2, n] seconds and `reset` bool [2, n] for each of the two states; `h`, `c`
        [2, layers, n, hidden]; `answer` int64 [n]: which state answers → logits [n, actions], new h, new c.
        """
        people = embedded.shape[0]
        keep = (~reset)[:, None, :, None]
        # Both states are one batch: row s·n + i is person i's state s. `where`, not a product: a row may hold NaN.
        flat_h, flat_c = (
            torch.where(keep, state, 0).transpose(0, 1).reshape(self.layers, 2 * people, self.hidden)
            for state in (h, c)
        )
        timed = torch.cat((embedded.repeat(2, 1), dt.clamp(0, MAX_STEP_SECONDS).reshape(-1, 1)), -1)
        output, (new_h, new_c) = self.lstm(timed[None], (flat_h, flat_c))
        chosen = output[0].view(2, people, self.hidden)
        answering = torch.where(answer[:, None] == 0, chosen[0], chosen[1])
        shape = (self.layers, 2, people, self.hidden)
        return (
            self.scores(answering) / self.temperature,
            new_h.view(shape).transpose(0, 1),
            new_c.view(shape).transpose(0, 1),
        )
