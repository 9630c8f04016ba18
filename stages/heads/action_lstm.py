"""The action LSTM, which recognises a person's action from their graph states over time.

Hidden states are kept outside, in the state bank. Each person has two, stepped together (the staggered window: the
older one gives the answer). The time since the last step is an input (docs/method.md, "Action over time").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.heads.hierarchical_scores import action_scores

MAX_STEP_SECONDS = 2.0
"""Δt is clipped to [0, 2 s]."""


class ActionLSTM(nn.Module):
    """Linear → LayerNorm → ReLU, concatenated with Δt → LSTM over time → Linear: one logit per action.

    With `kernel` > 1, a temporal convolution over the last `kernel` steps comes before the LSTM.
    """

    def __init__(
        self,
        graph_inputs: int,
        width: int,
        hidden: int,
        layers: int,
        actions: int,
        kernel: int = 1,
        dropout: float = 0.0,
        heads: Sequence[int] = (),
    ) -> None:
        """`dropout` is the share of the LSTM's inputs dropped in training: the same in all steps of a sequence.

        `heads`: the head of each action (`hierarchical_scores`); empty for one softmax.
        """
        super().__init__()
        self.width = width
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.embed = nn.Sequential(nn.Linear(graph_inputs, width), nn.LayerNorm(width), nn.ReLU())
        self.lstm = nn.LSTM(width + 1, hidden, num_layers=layers)
        self.scores = action_scores(hidden, actions, heads)
        self.temperature: Tensor
        # Fitted after training, so that scores are calibrated; it does not change the order of actions.
        self.register_buffer("temperature", torch.ones(()))
        self.convolution = TemporalConvolution(width, kernel) if kernel > 1 else None

    @property
    def recent(self) -> tuple[int, int]:
        """Number of last steps whose inputs are part of a state, and the length of an input; (0, 0) if none."""
        return (0, 0) if self.convolution is None else (self.convolution.kernel - 1, self.width + 1)

    def forward(self, graph: Tensor, dt: Tensor) -> Tensor:
        """Return logits [n, T, actions] of whole sequences, from a state of zeros.

        `graph` [n, T, graph_inputs]; `dt` [n, T], seconds since the step before (0 at the first).
        """
        return self.sequence(self.embed(graph), dt)

    def sequence(self, embedded: Tensor, dt: Tensor) -> Tensor:
        """Return logits [n, T, actions] as `forward`, from the output of `embed` [n, T, width]."""
        if self.training and self.dropout:
            embedded = embedded * F.dropout(embedded.new_ones(len(embedded), 1, self.width), self.dropout)
        timed = torch.cat((embedded, dt.clamp(0, MAX_STEP_SECONDS)[..., None]), -1).transpose(0, 1)
        if self.convolution is not None:
            timed = self.convolution(F.pad(timed, (0, 0, 0, 0, self.convolution.kernel - 1, 0)))
        output, _ = self.lstm(timed)
        return self.logits(output.transpose(0, 1))

    def logits(self, output: Tensor) -> Tensor:
        """Return logits [..., actions] of the LSTM's output [..., hidden]."""
        return self.scores(output) / self.temperature

    def blank(self, people: int) -> tuple[Tensor, ...]:
        """Return the states of `advance` before the first step, which are zeros."""
        sizes = [(self.layers, self.hidden)] * 2 + ([self.recent] if self.recent[0] else [])
        return tuple(self.temperature.new_zeros(rows, people, width) for rows, width in sizes)

    def advance(self, embedded: Tensor, dt: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Step n states once; return the LSTM's output [n, hidden] and the new states.

        `embedded` [n, width]; `dt` [n] seconds; `states`: h and c [layers, n, hidden], and with a convolution the
        inputs of the last steps [kernel − 1, n, width + 1], oldest first.
        """
        # Both bounds are floats, because the exporter does not accept an integer and a float.
        timed = torch.cat((embedded, dt.clamp(0.0, MAX_STEP_SECONDS)[:, None]), -1)[None]
        recent: tuple[Tensor, ...] = ()
        if self.convolution is not None:
            timed = torch.cat((states[2], timed))
            recent = (timed[1:],)
            timed = self.convolution(timed)
        output, (h, c) = self.lstm(timed, (states[0], states[1]))
        return output[0], (h, c, *recent)

    def step(
        self, embedded: Tensor, dt: Tensor, reset: Tensor, states: Sequence[Tensor], answer: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Step both states of n people; return logits [n, actions] and the new states.

        `embedded` [n, width]; `dt` [2, n] seconds and `reset` bool [2, n] for each of the two states; `states` as
        `StateBank.gather`: h and c [2, layers, n, hidden], and with a convolution the inputs of the last steps
        [2, kernel − 1, n, width + 1]; `answer` int64 [n], the state that gives the answer.
        """
        people = embedded.shape[0]
        keep = (~reset)[:, None, :, None]
        # Both states are one batch: row s·n + i is person i's state s. Not a product, because a row may hold NaN.
        flat = [torch.where(keep, state, 0).transpose(0, 1).flatten(1, 2) for state in states]
        output, flat = self.advance(embedded.repeat(2, 1), dt.reshape(-1), flat)
        both = output.view(2, people, self.hidden)
        answering = torch.where(answer[:, None] == 0, both[0], both[1])
        return (
            self.logits(answering),
            tuple(state.unflatten(1, (2, people)).transpose(0, 1) for state in flat),
        )


class TemporalConvolution(nn.Module):
    """Input + SiLU(causal convolution over a person's last `kernel` inputs). Δt passes through unchanged.

    It reads short motion patterns directly, which the LSTM would have to collect in its state.

    Steps are irregular in time, so the convolution reads the Δt of each of its steps as an input. Its weights begin at
    zero: a network that starts from a checkpoint without a convolution first answers like that checkpoint. SiLU is 0 at
    0 but not flat there, so that all outputs learn.
    """

    def __init__(self, width: int, kernel: int) -> None:
        """`width` is the length of an input without Δt; `kernel` ≥ 2 counts the present step."""
        super().__init__()
        self.width = width
        self.kernel = kernel
        self.weigh = nn.Linear(kernel * (width + 1), width)
        nn.init.zeros_(self.weigh.weight)
        nn.init.zeros_(self.weigh.bias)

    def forward(self, timed: Tensor) -> Tensor:
        """Return [T, n, width + 1] from `timed` [kernel − 1 + T, n, width + 1], oldest step first.

        An input is ReLU outputs, then Δt in seconds. Inputs before a state's first step are zeros.
        """
        steps = timed.shape[0] - self.kernel + 1
        now = timed[self.kernel - 1 :]
        together = torch.cat([timed[first : first + steps] for first in range(self.kernel)], -1)
        return torch.cat((now[..., : self.width] + F.silu(self.weigh(together)), now[..., self.width :]), -1)


class FrameActions(nn.Module):
    """Stands in for `ActionLSTM` in networks without time: returns each step's frame logits; steps are independent."""

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
