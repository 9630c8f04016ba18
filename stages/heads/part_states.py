"""Part states: what each body part is doing (docs/method.md, "Part states").

A part can have several states at once: a head may turn and look.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stages.heads.part_relevance import PartLinear


class PartStates(nn.Module):
    """Gated part feature + object feature → FC → ReLU → dropout → FC (the visual state feature) → logit per state."""

    def __init__(self, part_inputs: int, object_inputs: int, hidden: int, mask: Tensor, dropout: float = 0.5) -> None:
        """`mask` bool [parts, states] has the states of each part (`Vocabulary.mask`)."""
        super().__init__()
        parts, states = mask.shape
        self.first = PartLinear(parts, part_inputs + object_inputs, hidden)
        self.dropout = nn.Dropout(dropout)
        self.second = PartLinear(parts, hidden, hidden)
        self.scores = PartLinear(parts, hidden, states)
        self.mask: Tensor
        self.register_buffer("mask", mask.clone(), persistent=False)

    def forward(self, gated: Tensor, object_feature: Tensor) -> tuple[Tensor, Tensor]:
        """Return visual state features [n, parts, hidden] and logits [n, parts, states].

        `gated` [n, parts, F], `object_feature` [n, parts, O]. Logits of states that a part does not have are
        meaningless; `probabilities` masks them.
        """
        hidden = torch.relu(self.first(torch.cat((gated, object_feature), -1)))
        visual = self.second(self.dropout(hidden))
        return visual, self.scores(visual)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of states [n, parts, states], 0 for those that the part does not have."""
        return torch.sigmoid(logits) * self.mask
