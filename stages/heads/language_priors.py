"""Language priors: what the words of a part state say about it, as a frozen table that weighs in by the states' scores.

The table is built once, when a model is trained (`stages/language/prior_table.py`), and lives in the checkpoint:
running needs neither the language model nor its weights. MiniLM (3 x 384) and BERT-Base (3 x 768) go through the same
code (docs/method.md, "Language priors").
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class LanguagePriors(nn.Module):
    """f_i^L = Linear(sum over the part's states of probability x table row).

    The linear layer is folded into the table, which gives the same numbers (up to rounding) and costs `outputs` instead
    of 3 x hidden multiply-adds a state; outside training the folded table is kept until the weights change.
    """

    def __init__(self, table: Tensor, outputs: int) -> None:
        """`table` float32 [parts, states, 3 x hidden], zero for states that a part doesn't have."""
        super().__init__()
        self.table: Tensor
        self.register_buffer("table", table.clone())
        self.resize = nn.Linear(table.shape[-1], outputs)
        self._folded: Tensor | None = None
        self.register_load_state_dict_post_hook(lambda module, _: module.unfold())

    def forward(self, probabilities: Tensor) -> Tensor:
        """`probabilities` [n, parts, states], 0 for states that a part doesn't have → [n, parts, outputs]."""
        folded = self._folded_table()
        return torch.bmm(probabilities.transpose(0, 1), folded).transpose(0, 1) + self.resize.bias

    def unfold(self) -> None:
        """Forget the folded table: the weights have changed."""
        self._folded = None

    def train(self, mode: bool = True) -> LanguagePriors:
        """Training changes the weights, so nothing stays folded."""
        self.unfold()
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> LanguagePriors:
        """Another device or dtype: fold anew there."""
        self.unfold()
        return super()._apply(fn, recurse)

    def _folded_table(self) -> Tensor:
        if self.training or torch.is_grad_enabled():
            return self.table @ self.resize.weight.T
        if self._folded is None:
            self._folded = self.table @ self.resize.weight.T
        return self._folded
