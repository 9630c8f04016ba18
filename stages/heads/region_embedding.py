"""The embedding of a region's RoI features, which precedes relevance and states (docs/method.md)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RegionEmbedding(nn.Linear):
    """A linear layer with ReLU that embeds a region's normalised features."""

    def forward(self, input: Tensor) -> Tensor:
        """Return embeddings [..., hidden] of float32 features [..., features]."""
        return torch.relu(super().forward(input))


def region_embedding(features: int, hidden: int) -> nn.Module:
    """Return a module from features [..., features] to embeddings [..., hidden]; with `hidden` 0, features are kept."""
    return RegionEmbedding(features, hidden) if hidden else nn.Identity()
