"""The action LSTM, which recognises a person's action from their graph states over time.

Hidden states are kept outside, in the state bank. Each person has two, stepped together (the staggered window: the
older one gives the answer). The time since the last step is an input (docs/method.md, "Action over time").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MAX_STEP_SECONDS = 2.0
"""Δt is clipped to [0, 2 s]."""


class ActionLSTM(nn.Module):
    """Linear → LayerNorm → ReLU, concatenated with Δt → LSTM over time → Linear: one logit per action."""

    def __init__(self, graph_inputs: int, width: int, hidden: int, layers: int, actions: int) -> None:
        super().__init__()
        self.width = width
        self.hidden = hidden
        self.layers = layers
        self.embed = nn.Sequential(nn.Linear(graph_inputs, width), nn.LayerNorm(width), nn.ReLU())
        self.lstm = nn.LSTM(width + 1, hidden, num_layers=layers)
        self.scores = nn.Linear(hidden, actions)
        self.temperature: Tensor
        # Fitted after training, so that scores are calibrated; it does not change the order of actions.
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, graph: Tensor, dt: Tensor) -> Tensor:
        """Return logits [n, T, actions] of whole sequences, from a state of zeros.

        `graph` [n, T, graph_inputs]; `dt` [n, T], seconds since the step before (0 at the first).
        """
        return self.sequence(self.embed(graph), dt)

    def sequence(self, embedded: Tensor, dt: Tensor) -> Tensor:
        """Return logits [n, T, actions] as `forward`, from the output of `embed` [n, T, width]."""
        timed = torch.cat((embedded, dt.clamp(0, MAX_STEP_SECONDS)[..., None]), -1)
        output, _ = self.lstm(timed.transpose(0, 1))
        return self.scores(output.transpose(0, 1)) / self.temperature

    def step(
        self, embedded: Tensor, dt: Tensor, reset: Tensor, h: Tensor, c: Tensor, answer: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Step both states of n people; return logits [n, actions], new h and new c.

        `embedded` [n, width]; `dt` [2, n] seconds and `reset` bool [2, n] for each of the two states; `h`, `c`
        [2, layers, n, hidden]; `answer` int64 [n], the state that gives the answer.
        """
        people = embedded.shape[0]
        keep = (~reset)[:, None, :, None]
        # Both states are one batch: row s·n + i is person i's state s. Not a product, because a row may hold NaN.
        flat_h, flat_c = (
            torch.where(keep, state, 0).transpose(0, 1).reshape(self.layers, 2 * people, self.hidden)
            for state in (h, c)
        )
        timed = torch.cat((embedded.repeat(2, 1), dt.clamp(0, MAX_STEP_SECONDS).reshape(-1, 1)), -1)
        output, (new_h, new_c) = self.lstm(timed[None], (flat_h, flat_c))
        both = output[0].view(2, people, self.hidden)
        answering = torch.where(answer[:, None] == 0, both[0], both[1])
        shape = (self.layers, 2, people, self.hidden)
        return (
            self.scores(answering) / self.temperature,
            new_h.view(shape).transpose(0, 1),
            new_c.view(shape).transpose(0, 1),
        )
