"""The table of language priors: word vectors of every part state, for a vocabulary and a language model.

Tables are cached under a hash of the language model's files and the vocabulary. A table can be used only with the
vocabulary for which it was built (docs/method.md, "Language priors").
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

from stages.language.language_models import LanguageModel, find_language_model, word_vectors
from stages.third_party.weights import cache_dir
from stages.vocabulary import Vocabulary

_METHOD = "part, verb, object; mean of the last hidden states of a word's pieces"
"""How a row is computed, as part of the hash. Change the text with the method, so that old tables are not used."""


@dataclass(frozen=True, slots=True, eq=False)
class PriorTable:
    """Language priors, and what they were built from."""

    rows: Tensor
    """float32 [parts, states, 3 x hidden], zero for states that a part does not have."""
    language_model: str
    """The name or path by which it was requested."""
    language_model_sha256: str


def prior_table(vocabulary: Vocabulary, language_model: str | Path, cache: Path | None = None) -> PriorTable:
    """Return the table for a vocabulary, from the cache if it was built before.

    `language_model` is a folder or a name (see `stages.language.language_models`). `cache` is by default `priors` in
    `weights.cache_dir()`. A damaged file is replaced; a cache that cannot be written is not an error. Raises
    `LanguageModelError` if transformers or the model is missing.
    """
    model = find_language_model(language_model)
    model_sha256, vocabulary_sha256 = model.sha256(), vocabulary.sha256()
    key = hashlib.sha256(f"{_METHOD}\n{model_sha256}\n{vocabulary_sha256}".encode()).hexdigest()
    path = (cache or cache_dir() / "priors") / f"{key}.safetensors"
    rows = _read(path, vocabulary)
    if rows is None:
        rows = build_rows(vocabulary, model)
        _write(path, rows)
    return PriorTable(rows, model.name, model_sha256)


def build_rows(vocabulary: Vocabulary, model: LanguageModel) -> Tensor:
    """Return the rows: float32 [parts, states, 3 x hidden] on the CPU.

    A row concatenates the vectors of part, verb and object ("something" if there is none), each from `word_vectors`.
    """
    triples = [vocabulary.triple(part, state) for part, state in vocabulary.pairs()]
    vectors = word_vectors(sorted({words for triple in triples for words in triple}), model)
    hidden = next(iter(vectors.values())).shape[0]
    rows = torch.zeros(len(vocabulary.parts), len(vocabulary.states), 3 * hidden)
    columns = {state.label: column for column, state in enumerate(vocabulary.states)}
    for (part, state), triple in zip(vocabulary.pairs(), triples, strict=True):
        rows[vocabulary.part_index(part), columns[state.label]] = torch.cat([vectors[words] for words in triple])
    return rows


def _read(path: Path, vocabulary: Vocabulary) -> Tensor | None:
    """Return the table in a file, or None if it is missing, damaged or of the wrong shape."""
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            rows = file.get_tensor("rows")
    except (OSError, SafetensorError):
        return None
    sizes = (len(vocabulary.parts), len(vocabulary.states))
    return rows if rows.dim() == 3 and rows.shape[:2] == sizes and rows.dtype == torch.float32 else None


def _write(path: Path, rows: Tensor) -> None:
    """Write the file atomically; do nothing if the cache cannot be written."""
    with contextlib.suppress(OSError, SafetensorError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=path.parent) as scratch:
            partial = Path(scratch) / path.name
            save_file({"rows": rows}, partial)
            partial.replace(path)
