"""Prior table: the vectors of every part state's words, built once for a vocabulary and a language model.

A table is kept in the user's cache, by the hash of what it follows from: the language model's files and the vocabulary.
It knows the vocabulary that it was built for, and is given to no other (docs/method.md, "Language priors").
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stages.language.language_models import LanguageModel, LanguageModelError, find_language_model, word_vectors
from stages.third_party.weights import cache_dir
from stages.vocabulary import Vocabulary

_METHOD = "part, verb, object; mean of the last hidden states of a word's pieces"
"""What a row is. Another way of building it needs another text here, or old tables would be taken for new ones."""


@dataclass(frozen=True, slots=True, eq=False)
class PriorTable:
    """`rows` float32 [parts, states, 3 x hidden], zero where a part lacks a state; what they were built from."""

    rows: Tensor
    language_model: str
    """As it was asked for."""
    language_model_sha256: str
    vocabulary_sha256: str

    def rows_for(self, vocabulary: Vocabulary) -> Tensor:
        """The rows. Raises `LanguageModelError` where the vocabulary isn't the one that they were built for."""
        if self.vocabulary_sha256 != vocabulary.sha256():
            raise LanguageModelError(
                f"these language priors were built for the vocabulary {self.vocabulary_sha256[:12]}…, not for "
                f"{vocabulary.sha256()[:12]}…: build them anew"
            )
        return self.rows


def prior_table(vocabulary: Vocabulary, language_model: str | Path, cache: Path | None = None) -> PriorTable:
    """The table for a vocabulary, from the cache where it was built before.

    `language_model`: a folder, or a name (`stages/language/language_models.py`). `cache`: by default `priors` in the
    cache of `weights`. A damaged file is built anew; a cache that can't be written costs the time of building again.
    Raises `LanguageModelError` where transformers or the model is missing.
    """
    model = find_language_model(language_model)
    model_sha256, vocabulary_sha256 = model.sha256(), vocabulary.sha256()
    key = hashlib.sha256(f"{_METHOD}\n{model_sha256}\n{vocabulary_sha256}".encode()).hexdigest()
    path = (cache or cache_dir() / "priors") / f"{key}.safetensors"
    rows = _read(path, vocabulary)
    if rows is None:
        rows = build_rows(vocabulary, model)
        _write(path, rows)
    return PriorTable(rows, model.name, model_sha256, vocabulary_sha256)


def build_priors(vocabulary: Vocabulary, language_model: str | Path) -> Tensor:
    """The rows of `prior_table`, built anew and kept nowhere."""
    return build_rows(vocabulary, find_language_model(language_model))


def build_rows(vocabulary: Vocabulary, model: LanguageModel) -> Tensor:
    """float32 [parts, states, 3 x hidden] on the CPU.

    Each of part, verb and object ("something" where there is none) is read by the model on its own; its vector is the
    mean of the last hidden states of its WordPiece tokens; the three are concatenated.
    """
    triples = [vocabulary.triple(part, state) for part, state in vocabulary.pairs()]
    vectors = word_vectors(sorted({words for triple in triples for words in triple}), model)
    hidden = next(iter(vectors.values())).shape[0]
    rows = torch.zeros(len(vocabulary.parts), len(vocabulary.states), 3 * hidden)
    columns = {state.label: column for column, state in enumerate(vocabulary.states)}
    for (part, state), triple in zip(vocabulary.pairs(), triples, strict=True):
        rows[vocabulary.part_index(part), columns[state.label]] = torch.cat([vectors[words] for words in triple])
    return rows


def table_sha256(rows: Tensor, vocabulary: Vocabulary) -> str:
    """Hex hash of a table together with its vocabulary: a checkpoint carries it, so that neither is exchanged alone."""
    digest = hashlib.sha256(vocabulary.sha256().encode())
    digest.update(rows.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, vocabulary: Vocabulary) -> Tensor | None:
    """What `_write` left, if it is whole and has the vocabulary's sizes."""
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            rows = file.get_tensor("rows")
    except (OSError, SafetensorError):
        return None
    sizes = (len(vocabulary.parts), len(vocabulary.states))
    return rows if rows.dim() == 3 and rows.shape[:2] == sizes and rows.dtype == torch.float32 else None


def _write(path: Path, rows: Tensor) -> None:
    """Whole or not at all, and not if the cache can't be written."""
    with contextlib.suppress(OSError, SafetensorError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=path.parent) as scratch:
            unfinished = Path(scratch) / path.name
            save_file({"rows": rows}, unfinished)
            unfinished.replace(path)
