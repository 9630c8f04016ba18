"""Checkpoints by the name of a profile: which file, and what its metadata says. Does not import torch.

Each profile is a file in `stages/checkpoints`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from stages.third_party.weights import WeightsError
from stages.vocabulary import Vocabulary, VocabularyError, packaged
from stages.weight_terms import WeightTerms, weight_terms

EDGE = "edge"
EDGE_OPEN = "edge-open"
"""As `edge`, learned only from sources that permit any use."""
PAPER = "kinetics-tps"
FOLDER = "checkpoints"
PACKAGED = {
    EDGE: "edge.safetensors",
    EDGE_OPEN: "edge-open.safetensors",
    PAPER: "kinetics-tps-tiny.safetensors",
}
"""Profile → file in `stages/checkpoints`."""
_VOCABULARIES = {EDGE_OPEN: EDGE}
"""Profiles with the vocabulary of another one."""
KEY = "experimental"
"""Key of a checkpoint's metadata: a JSON list of actions. Older checkpoints lack it."""


def experimental_actions(names: Sequence[str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return these actions once each, in the vocabulary's order. Raises `VocabularyError` for an unknown one."""
    if unknown := [name for name in names if name not in vocabulary.actions]:
        raise VocabularyError(f"{KEY}: unknown action {unknown[0]!r:.100}; known: {', '.join(vocabulary.actions)}")
    return tuple(action for action in vocabulary.actions if action in names)


def stored_actions(metadata: Mapping[str, str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the experimental actions in a checkpoint's metadata. Raises `VocabularyError`."""
    try:
        names = msgspec.json.decode(metadata.get(KEY, "[]"), type=list[str])
    except (msgspec.DecodeError, RecursionError) as error:
        raise VocabularyError(f"{KEY}: {error}; `partstream weights mark` writes it") from None
    return experimental_actions(names, vocabulary)


@dataclass(frozen=True, slots=True)
class CheckpointSummary:
    """What a checkpoint's metadata says. `sha256`: `sha256:…` of the file; `size`: bytes."""

    profile: str
    sha256: str
    size: int
    terms: WeightTerms
    experimental: tuple[str, ...] = ()
    """Its experimental actions."""

    def __str__(self) -> str:
        marked = f"; experimental actions: {', '.join(self.experimental)}" if self.experimental else ""
        return f"profile {self.profile}, weights {self.sha256[:19]}…, terms: {self.terms}{marked}"


@contextmanager
def checkpoint_file(profile: str) -> Generator[Path]:
    """Give the file of a profile, or of a path as it is. Raises `WeightsError` for a profile without a file."""
    if profile not in PACKAGED:
        yield Path(profile)
        return
    file = resources.files("stages").joinpath(FOLDER, PACKAGED[profile])
    if not file.is_file():
        raise WeightsError(
            f"profile {profile}: {file.name} is missing from this installation. Install partstream again, or give the "
            "path of a checkpoint as the profile"
        )
    with resources.as_file(file) as path:
        yield path


def is_packaged(path: Path) -> bool:
    """Return whether a path lies in the folder of the packaged checkpoints."""
    return (Path(__file__).parent / FOLDER).resolve() in path.resolve().parents


def no_such_checkpoint(path: Path) -> str:
    """Return the error for a path without a file."""
    return f"{path}: there is no such checkpoint; packaged: {', '.join(PACKAGED)}; `partstream train` makes others"


def summary(profile: str) -> CheckpointSummary:
    """Read the metadata of a profile's or a path's checkpoint, without its tensors.

    Raises `WeightsError` if the file is missing or its metadata cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    with checkpoint_file(profile) as path:
        try:
            if not path.is_file():
                raise WeightsError(no_such_checkpoint(path))
            with safe_open(os.fspath(path), framework="numpy") as file:
                metadata = file.metadata() or {}
            terms = weight_terms(json.loads(metadata.get("metrics", "{}")))
            experimental: tuple[str, ...] = ()
            if KEY in metadata:
                vocabulary = Vocabulary.from_json(metadata.get("vocabulary", ""), "vocabulary")
                experimental = stored_actions(metadata, vocabulary)
            digest, size = hashlib.sha256(), path.stat().st_size
            with path.open("rb") as content:
                while block := content.read(1 << 20):
                    digest.update(block)
        except (SafetensorError, OSError, ValueError, AttributeError, RecursionError) as error:
            raise WeightsError(f"{path}: not a checkpoint, or damaged ({error})") from None
        return CheckpointSummary(metadata.get("profile", ""), f"sha256:{digest.hexdigest()}", size, terms, experimental)


def vocabulary_of(profile: str) -> Vocabulary:
    """Return the packaged vocabulary of a profile. Raises `VocabularyError` if there is none."""
    return packaged(_VOCABULARIES.get(profile, profile))
