"""A causal convolution over a person's last steps, before the action LSTM (docs/method.md, "Action over time").

It reads short motion patterns directly, which the LSTM would have to collect in its state.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TemporalConvolution(nn.Module):
    """Input + SiLU(convolution over the last `kernel` inputs). Δt passes through unchanged.

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
