"""Part graph: from the parts of a person to the person, by one LSTM that reads the parts in their fixed order.

The sequential form of the hierarchical activity graph; beside it the mean of the parts, which has neither order nor
graph, to compare with. Owns its weights, which live in the checkpoint
(docs/method.md, "Part graph").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PartGraph(nn.Module):
    """Reads head, arms, hands, hip, legs, feet; the last step's output is the person's graph state.

    An absent part is never skipped: a learned vector, one for each part, stands in its place.
    """

    def __init__(self, parts: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(parts, inputs))
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

    def forward(self, parts: Tensor, present: Tensor) -> Tensor:
        """`parts` [n, parts, inputs], `present` bool [n, parts] → graph state [n, hidden]."""
        seen = torch.where(present[..., None], parts, self.absent)
        output, _ = self.lstm(seen)
        return output[:, -1]


class PartMean(nn.Module):
    """The parts' mean, resized by a linear layer: what is left of the person without a part graph.

    An absent part counts with its learned vector, as in `PartGraph`, so that nothing differs but the reading in order.
    """

    def __init__(self, parts: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(parts, inputs))
        self.resize = nn.Linear(inputs, hidden)

    def forward(self, parts: Tensor, present: Tensor) -> Tensor:
        """`parts` [n, parts, inputs], `present` bool [n, parts] → graph state [n, hidden]."""
        seen = torch.where(present[..., None], parts, self.absent)
        return self.resize(seen.mean(1))
