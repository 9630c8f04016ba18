"""Part states: what each body part is doing, several at once (a head may turn and look).

Owns the state head's weights, which live in the checkpoint (docs/method.md, "Part states").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stages.heads.part_relevance import PartLinear


class PartStates(nn.Module):
    """Gated part feature + object feature → FC → ReLU → dropout → FC (the visual state feature) → a logit a state."""

    def __init__(self, part_inputs: int, object_inputs: int, hidden: int, mask: Tensor, dropout: float = 0.5) -> None:
        """`mask` bool [parts, states]: which states a part has (`Vocabulary.mask`)."""
        super().__init__()
        parts, states = mask.shape
        self.first = PartLinear(parts, part_inputs + object_inputs, hidden)
        self.dropout = nn.Dropout(dropout)
        self.second = PartLinear(parts, hidden, hidden)
        self.scores = PartLinear(parts, hidden, states)
        self.mask: Tensor
        self.register_buffer("mask", mask.clone(), persistent=False)

    def forward(self, gated: Tensor, thing: Tensor) -> tuple[Tensor, Tensor]:
        """`gated` [n, parts, F], `thing` [n, parts, O] → visual state feature [n, parts, hidden], logits
        [n, parts, states]. Logits of states that a part doesn't have mean nothing: see `probabilities`.
        """
        hidden = torch.relu(self.first(torch.cat((gated, thing), -1)))
        visual = self.second(self.dropout(hidden))
        return visual, self.scores(visual)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Sigmoid of each state, 0 for those that the part doesn't have: [n, parts, states] in [0, 1]."""
        return torch.sigmoid(logits) * self.mask
