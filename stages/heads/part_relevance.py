"""Part relevance: how much each body part contributes to the person's action (docs/method.md, "Part relevance")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PartLinear(nn.Module):
    """One linear layer per part: float [n, parts, inputs] → [n, parts, outputs]."""

    def __init__(self, parts: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(parts, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(parts, 1, outputs))
        bound = 1 / math.sqrt(inputs)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, features: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, features.transpose(0, 1), self.weight).transpose(0, 1)


class PartRelevance(nn.Module):
    """FC → ReLU → FC over concat(part feature, object feature); the sigmoid of the logit is a_i in [0, 1]."""

    def __init__(self, parts: int, part_inputs: int, object_inputs: int, hidden: int) -> None:
        super().__init__()
        self.first = PartLinear(parts, part_inputs + object_inputs, hidden)
        self.second = PartLinear(parts, hidden, 1)

    def forward(self, part: Tensor, object_feature: Tensor) -> Tensor:
        """Return logits [n, parts] from `part` [n, parts, F] and `object_feature` [n, parts, O]."""
        return self.second(torch.relu(self.first(torch.cat((part, object_feature), -1)))).squeeze(-1)
