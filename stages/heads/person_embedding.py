"""The person embedding: all of a person's geometry at once, beside the part graph (docs/method.md, "Part graph")."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PersonEmbedding(nn.Module):
    """Concatenated geometry of all parts and the person → FC → SiLU → FC.

    The part graph reads a part at a time, through its states. This reads how all parts move together.
    """

    def __init__(self, parts: int, part_features: int, context_features: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(parts * (part_features + 1) + context_features, hidden)
        self.second = nn.Linear(hidden, hidden)

    def forward(self, parts: Tensor, context: Tensor, present: Tensor) -> Tensor:
        """Return embeddings [n, hidden] of normalised geometry.

        `parts` [n, parts, F], `context` [n, C], `present` bool [n, parts]. An absent part's features are not read.
        """
        seen = torch.where(present[..., None], parts, 0.0)
        together = torch.cat((seen.flatten(1), context, present.to(context.dtype)), -1)
        return self.second(nn.functional.silu(self.first(together)))
