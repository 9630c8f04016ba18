"""Language priors: what the words of a part state say about it, as a frozen table that weighs in by the states' scores.

The table is built once, when a model is trained (`build_priors`; needs transformers, the extra `train`), and lives in
the checkpoint: running needs neither the language model nor its weights. MiniLM (3 x 384) and BERT-Base (3 x 768) go
through the same code (docs/method.md, "Language priors").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stages.vocabulary import Vocabulary


class LanguageModelError(RuntimeError):
    """The language model for the priors can't be used; the message says what to do."""


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


def build_priors(vocabulary: Vocabulary, language_model: str | Path) -> Tensor:
    """The table for a vocabulary: float32 [parts, states, 3 x hidden] on the CPU, zero where a part lacks a state.

    `language_model`: a local directory, or a name that transformers knows (for example `bert-base-uncased`, fetched
    by it). Each of part, verb and object ("something" where there is none) is read by the model on its own; its vector
    is the mean of the last hidden states of its WordPiece tokens, without [CLS] and [SEP]; the three are concatenated.
    Raises `LanguageModelError` where transformers or the model is missing.
    """
    triples = [vocabulary.triple(part, state) for part, state in vocabulary.pairs()]
    vectors = word_vectors(sorted({words for triple in triples for words in triple}), language_model)
    hidden = next(iter(vectors.values())).shape[0]
    table = torch.zeros(len(vocabulary.parts), len(vocabulary.states), 3 * hidden)
    columns = {state.label: column for column, state in enumerate(vocabulary.states)}
    for (part, state), triple in zip(vocabulary.pairs(), triples, strict=True):
        row = vocabulary.part_index(part)
        table[row, columns[state.label]] = torch.cat([vectors[words] for words in triple])
    return table


@torch.no_grad()
def word_vectors(words: list[str], language_model: str | Path) -> dict[str, Tensor]:
    """Each of `words` → float32 [hidden]: the mean of its WordPiece tokens' last hidden states."""
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise LanguageModelError(
            "building language priors needs transformers: install partstream with the extra `train`"
        ) from None
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(language_model))
        model: Any = AutoModel.from_pretrained(str(language_model), dtype=torch.float32).eval()
    except (OSError, ValueError) as error:
        raise LanguageModelError(
            f"the language model {str(language_model)!r} can't be loaded: {error}; give a directory that holds one, "
            "or run `run_stream.py weights fetch minilm`"
        ) from None
    batch = tokenizer(words, return_tensors="pt", padding=True, return_special_tokens_mask=True)
    pieces = (batch.pop("special_tokens_mask") == 0).float()[..., None]
    if bool((pieces.sum(1) == 0).any()):
        empty = [text for text, mask in zip(words, pieces, strict=True) if not bool(mask.any())]
        raise LanguageModelError(f"the vocabulary's words {empty} have no tokens; give them words in `words`")
    hidden = model(**batch).last_hidden_state
    means = (hidden * pieces).sum(1) / pieces.sum(1)
    return {text: means[row].clone() for row, text in enumerate(words)}
