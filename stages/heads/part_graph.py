"""The part graph, which combines the parts of a person into one graph state (docs/method.md, "Part graph").

`PartGraph` is the sequential form of the hierarchical activity graph: an LSTM over the parts in a fixed order.
`PartMean` is a baseline without a graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PartGraph(nn.Module):
    """An LSTM over head, arms, hands, hip, legs and feet; its last output is the person's graph state.

    An absent part is replaced by a learned vector of that part, not skipped.
    """

    def __init__(self, parts: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(parts, inputs))
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

    def forward(self, parts: Tensor, present: Tensor) -> Tensor:
        """Return graph states [n, hidden] from `parts` [n, parts, inputs] and `present` bool [n, parts]."""
        seen = torch.where(present[..., None], parts, self.absent)
        output, _ = self.lstm(seen)
        return output[:, -1]


class PartMean(nn.Module):
    """The mean of the parts, resized by a linear layer.

    An absent part is replaced by its learned vector, as in `PartGraph`, so that the two differ only in the LSTM.
    """

    def __init__(self, parts: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(parts, inputs))
        self.resize = nn.Linear(inputs, hidden)

    def forward(self, parts: Tensor, present: Tensor) -> Tensor:
        """Return graph states [n, hidden] from `parts` [n, parts, inputs] and `present` bool [n, parts]."""
        seen = torch.where(present[..., None], parts, self.absent)
        return self.resize(seen.mean(1))
