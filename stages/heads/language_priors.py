"""Language priors: word vectors of part states, in a frozen table that is weighted by the states' scores.

The table is built when a model is trained (`stages/language/prior_table.py`) and stored in the checkpoint, so inference
does not need the language model. MiniLM gives 3 x 384 numbers per state, BERT-Base 3 x 768 (docs/method.md, "Language
priors").
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


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
