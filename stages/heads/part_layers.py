"""Layers over the parts of people: region embedding, relevance, states, language priors, part graph (docs/method.md).

All take n people's parts as `[n, parts, …]`. `ActionNetwork` (`stages/heads/network.py`) joins them.
"""

from __future__ import annotations

import math
from typing import Any

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


class LanguagePriors(nn.Module):
    """f_i^L = Linear(sum over the part's states of probability x table row).

    The linear layer is folded into the table, which gives the same result up to rounding and costs `outputs` instead of
    3 x hidden multiply-adds per state. Outside training the folded table is kept until the weights change.
    """

    def __init__(self, table: Tensor, outputs: int) -> None:
        """`table` is float32 [parts, states, 3 x hidden], zero for states that a part does not have."""
        super().__init__()
        self.table: Tensor
        self.register_buffer("table", table.clone())
        self.resize = nn.Linear(table.shape[-1], outputs)
        self._folded: Tensor | None = None
        self.register_load_state_dict_post_hook(lambda module, _: module.unfold())

    def forward(self, probabilities: Tensor) -> Tensor:
        """Return the priors [n, parts, outputs].

        `probabilities` [n, parts, states] must be 0 for states that a part does not have.
        """
        folded = self._folded_table()
        return torch.bmm(probabilities.transpose(0, 1), folded).transpose(0, 1) + self.resize.bias

    def unfold(self) -> None:
        """Discard the folded table, because the weights have changed."""
        self._folded = None

    def train(self, mode: bool = True) -> LanguagePriors:
        """Set the mode, and discard the folded table, because training changes the weights."""
        self.unfold()
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> LanguagePriors:
        """Move to another device or dtype, and discard the folded table."""
        self.unfold()
        return super()._apply(fn, recurse)

    def _folded_table(self) -> Tensor:
        if self.training or torch.is_grad_enabled():
            return self.table @ self.resize.weight.T
        if self._folded is None:
            self._folded = self.table @ self.resize.weight.T
        return self._folded


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


def missed_parts(
    sequences: int, steps: int, parts: int, probability: float, device: torch.device | str = "cpu"
) -> Tensor:
    """Draw which parts are made absent: bool [sequences, steps, parts].

    With this probability a part is absent from one uniformly drawn step to another, because a detector that misses a
    part usually misses it for several steps. On average a third of a sequence is absent then.
    """
    chosen = torch.rand(sequences, 1, parts, device=device) < probability
    first, last = torch.randint(steps, (2, sequences, 1, parts), device=device).sort(0).values
    step = torch.arange(steps, device=device)[:, None]
    return chosen & (step >= first) & (step <= last)
