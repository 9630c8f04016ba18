"""Language models for the priors: which one is meant, where its files are, and what it says of words.

Needed while a table is built and never at run time. A model is a folder as transformers writes it; it is found by the
folder's path, by a name that `weights` knows (`minilm`, `bert-base-uncased`), or by any other name in Hugging Face's
cache or, where there is a network, on its hub. Owns nothing (docs/method.md, "Language priors").
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages.third_party import published_weights, weights
from stages.third_party.package_download import DownloadError
from stages.third_party.weights import WeightsError

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
TOKEN_FILES = ("tokenizer.json", "vocab.txt")
_OTHER_FILES = ("config.json", "tokenizer_config.json", "special_tokens_map.json")
_UNUSED = ("pooler.", "cls.")
"""Heads that some files of a BERT lack or have; word vectors don't read them."""


class LanguageModelError(RuntimeError):
    """The language model for the priors can't be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model whose files are here: `name` as it was asked for, and the folder."""

    name: str
    folder: Path

    def sha256(self) -> str:
        """Hex hash of everything that decides on a word's vector: weights, configuration and word pieces."""
        digest = hashlib.sha256()
        for name in sorted((*WEIGHT_FILES, *TOKEN_FILES, *_OTHER_FILES)):
            path = self.folder / name
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(f"{name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()


def find_language_model(wanted: str | Path) -> LanguageModel:
    """The model of that name or folder. Raises `LanguageModelError` saying which files to put where."""
    folder, name = Path(wanted).expanduser(), str(wanted)
    if folder.is_dir():
        if lacking := _lacking(folder):
            raise LanguageModelError(f"the folder {folder} holds no language model: it lacks {lacking}")
        return LanguageModel(name, folder)
    try:
        if folder.is_absolute() or name.startswith("."):
            raise WeightsError("there is no such folder")
        if name in {asset.name for asset in weights.assets()}:
            return LanguageModel(name, _known(name))
        return LanguageModel(name, _from_hub(name))
    except (WeightsError, DownloadError) as error:
        raise LanguageModelError(
            f"the language model {name!r} isn't here: {error}\nOr give, instead of the name, a folder that holds "
            f"config.json, {' or '.join(WEIGHT_FILES)}, and {' or '.join(TOKEN_FILES)} of it; "
            f"or take `minilm`, which `partstream weights fetch minilm` gets"
        ) from None


def word_vectors(words: Sequence[str], model: LanguageModel) -> dict[str, Tensor]:
    """Each of `words` → float32 [hidden]: the mean of its WordPiece tokens' last hidden states, [CLS] and [SEP] left
    out. Raises `LanguageModelError` where transformers is missing, the files can't be read, or a word has no tokens."""
    tokenizer, network = _load(model)
    batch = tokenizer(list(words), return_tensors="pt", padding=True, return_special_tokens_mask=True)
    pieces = (batch.pop("special_tokens_mask") == 0).float()[..., None]
    counts = pieces.sum(1)
    empty = [text for text, count in zip(words, counts[:, 0].tolist(), strict=True) if not count]
    if empty:
        raise LanguageModelError(f"the vocabulary's words {empty} have no tokens; give them words in `words`")
    with torch.no_grad():
        hidden = network(**batch).last_hidden_state
    means = (hidden * pieces).sum(1) / counts
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
    except Exception as error:  # transformers passes on what each of its readers raises
        raise LanguageModelError(
            f"the language model in {model.folder} can't be loaded: {error}; put its files there anew"
        ) from None
    network, report = loaded
    # transformers makes up what a file lacks, and only warns.
    lacking = sorted(name for name in report["missing_keys"] if not name.startswith(_UNUSED))
    if lacking:
        raise LanguageModelError(
            f"the language model in {model.folder} lacks weights: {', '.join(lacking[:8])}"
            f"{f' and {len(lacking) - 8} more' if len(lacking) > 8 else ''}; put its files there anew"
        )
    return tokenizer, network.eval()


def _known(name: str) -> Path:
    """The folder of a model that `weights` knows: from its cache, else, if the hub has it, fetched."""
    if weights.asset(name).registry == "huggingface" and not weights.present(name):
        return weights.fetch(name)
    return weights.locate(name)


def _from_hub(name: str) -> Path:
    """The folder of any other model: in Hugging Face's cache, else fetched there."""
    cached = published_weights.cached_repository(name)
    if cached is not None and not _lacking(cached):
        return cached
    # Weights come once: pytorch_model.bin only from repositories that have no safetensors.
    folder = published_weights.repository_files(name, [*_OTHER_FILES, *TOKEN_FILES, WEIGHT_FILES[0]])
    if not (folder / WEIGHT_FILES[0]).is_file():
        folder = published_weights.repository_files(name, WEIGHT_FILES[1:])
    if lacking := _lacking(folder):
        raise DownloadError(f"Hugging Face's hub: {name} lacks {lacking}")
    return folder


def _lacking(folder: Path) -> str:
    """What a folder lacks of a language model, in words; empty if nothing."""
    groups = (("config.json",), WEIGHT_FILES, TOKEN_FILES)
    return ", and ".join(" or ".join(group) for group in groups if not any((folder / file).is_file() for file in group))
