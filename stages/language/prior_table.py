"""The table of language priors: word vectors of every part state, for a vocabulary and a language model.

Tables are cached under a hash of the language model's files and the vocabulary. A table can be used only with the
vocabulary for which it was built (docs/method.md, "Language priors").

Language models are needed to build a table, not at run time. A model is a folder in the format of transformers. It is
found by path, by the name of an asset (`minilm`, `bert-base-uncased`), or by another name in Hugging Face's cache or on
its hub.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stages.third_party import package_download, weights
from stages.third_party.package_download import DownloadError
from stages.third_party.weights import WeightsError, cache_dir
from stages.vocabulary import Vocabulary
from stages.whole_file import whole_file

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
TOKEN_FILES = ("tokenizer.json", "vocab.txt")
_OTHER_FILES = ("config.json", "tokenizer_config.json", "special_tokens_map.json")
_UNUSED = ("pooler.", "cls.")
"""Prefixes of weights that may be missing, because word vectors do not need them."""


class LanguageModelError(RuntimeError):
    """A language model cannot be used; the message gives advice."""


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A language model on disk."""

    name: str
    """The name or path by which it was requested."""
    folder: Path

    def sha256(self) -> str:
        """Return the hex hash of everything that determines a word's vector: weights, configuration and tokens."""
        digest = hashlib.sha256()
        for name in sorted((*WEIGHT_FILES, *TOKEN_FILES, *_OTHER_FILES)):
            path = self.folder / name
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(f"{name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()


def find_language_model(name_or_folder: str | Path) -> LanguageModel:
    """Return the model of a name or folder. Raises `LanguageModelError` with the files that are needed."""
    folder, name = Path(name_or_folder).expanduser(), str(name_or_folder)
    if folder.is_dir():
        if missing := _missing_files(folder):
            raise LanguageModelError(f"the folder {folder} contains no language model: it lacks {missing}")
        return LanguageModel(name, folder)
    try:
        if folder.is_absolute() or name.startswith("."):
            raise WeightsError("there is no such folder")
        if name in {asset.name for asset in weights.assets()}:
            return LanguageModel(name, _asset_folder(name))
        return LanguageModel(name, _hub_folder(name))
    except (WeightsError, DownloadError) as error:
        raise LanguageModelError(
            f"the language model {name!r} was not found: {error}\nGive a folder with its config.json, "
            f"{' or '.join(WEIGHT_FILES)}, and {' or '.join(TOKEN_FILES)} instead of the name, "
            f"or use `minilm` after `partstream weights fetch minilm`"
        ) from None


def word_vectors(words: Sequence[str], model: LanguageModel) -> dict[str, Tensor]:
    """Return the vector of each of `words`, float32 [hidden].

    A vector is the mean of the last hidden states of the word's WordPiece tokens, without [CLS] and [SEP]. Raises
    `LanguageModelError` if transformers is missing, the files cannot be read, or a word has no tokens.
    """
    tokenizer, network = _load(model)
    batch = tokenizer(list(words), return_tensors="pt", padding=True, return_special_tokens_mask=True)
    is_token = (batch.pop("special_tokens_mask") == 0).float()[..., None]
    counts = is_token.sum(1)
    empty = [text for text, count in zip(words, counts[:, 0].tolist(), strict=True) if not count]
    if empty:
        raise LanguageModelError(f"the vocabulary's words {empty} have no tokens; give them others in `words`")
    with torch.no_grad():
        hidden = network(**batch).last_hidden_state
    means = (hidden * is_token).sum(1) / counts
    return {text: means[row].clone() for row, text in enumerate(words)}


def _load(model: LanguageModel) -> tuple[Any, Any]:
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise LanguageModelError(
            "building language priors needs transformers: install partstream with the extra `train`"
        ) from None
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(model.folder))
        loaded: Any = AutoModel.from_pretrained(str(model.folder), dtype=torch.float32, output_loading_info=True)
    except Exception as error:  # the errors of transformers' readers have no common base class
        raise LanguageModelError(
            f"the language model in {model.folder} can't be loaded: {error}; replace its files"
        ) from None
    network, report = loaded
    # transformers initialises missing weights randomly, with only a warning.
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(_UNUSED))
    if missing:
        raise LanguageModelError(
            f"the language model in {model.folder} lacks weights: {', '.join(missing[:8])}"
            f"{f' and {len(missing) - 8} more' if len(missing) > 8 else ''}; replace its files"
        )
    return tokenizer, network.eval()


def _asset_folder(name: str) -> Path:
    """Return the folder of a model that is an asset; models on the hub are downloaded if necessary."""
    if weights.asset(name).registry == "huggingface" and not weights.present(name):
        return weights.fetch(name)
    return weights.locate(name)


def _hub_folder(name: str) -> Path:
    """Return the folder of any other model in Hugging Face's cache, downloaded if necessary."""
    cached = package_download.cached_repository(name)
    if cached is not None and not _missing_files(cached):
        return cached
    # Download weights once: pytorch_model.bin only from repositories without safetensors.
    folder = package_download.repository_files(name, [*_OTHER_FILES, *TOKEN_FILES, WEIGHT_FILES[0]])
    if not (folder / WEIGHT_FILES[0]).is_file():
        folder = package_download.repository_files(name, WEIGHT_FILES[1:])
    if missing := _missing_files(folder):
        raise DownloadError(f"Hugging Face's hub: {name} lacks {missing}")
    return folder


def _missing_files(folder: Path) -> str:
    """Return the language model's files that a folder lacks, as text; empty if it has all."""
    groups = (("config.json",), WEIGHT_FILES, TOKEN_FILES)
    return ", and ".join(" or ".join(group) for group in groups if not any((folder / file).is_file() for file in group))


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

    `language_model` is a folder or a name (see `stages.language.prior_table`). `cache` is by default `priors` in
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
    with contextlib.suppress(OSError, SafetensorError), whole_file(path) as unfinished:
        save_file({"rows": rows}, unfinished)
