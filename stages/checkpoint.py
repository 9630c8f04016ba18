"""Checkpoint: a trained model in one safetensors file that loads without any other file.

The tensors are the network's weights with the language priors, and, where it has them of its own, the feature
extractor's and the detector's; the metadata holds the vocabulary, the network's configuration, smoothing, metrics and
the command that trained it. What is loaded belongs to the caller.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.cascade_rcnn.detector_model import DetectorDescription
from stages.detection.detector import DetectorError
from stages.detection.region_classes import RegionClasses
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.keypoint_features.geometry import CONTEXT_FEATURES, GEOMETRY_VERSION, PART_FEATURES
from stages.language.prior_table import table_sha256
from stages.people.smoothing import SmoothingConfig
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import vgg_from_tensors
from stages.third_party.weights import WeightsError
from stages.vocabulary import Vocabulary, VocabularyError

FORMAT = "partstream.checkpoint/1"
_FEATURES = "features."
"""Before the names of the feature extractor's tensors."""
_DETECTOR = "detector."
"""Before those of the detector's."""
DEFAULT_WINDOW_STEPS = 64
"""W of checkpoints that do not record the window that they were trained with."""


class CheckpointError(RuntimeError):
    """A checkpoint can't be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What a file holds. `sha256` is `sha256:…` of the file, empty before it is saved."""

    network: ActionNetwork
    profile: str
    trained: bool
    language_model: str
    """Which language model made the priors."""
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    training_command: str = ""
    sha256: str = ""
    language_model_sha256: str = ""
    """Hex hash of the language model's files (`LanguageModel.sha256`), where it is known."""
    features: VggFeatures | None = None
    """What regions are read with, where it isn't the detector's own maps."""
    detector: StoredDetector | None = None
    """What finds people, parts and objects; None: people are found by MoveNet, whose weights are the package's."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary that names the network's outputs."""
        return self.network.vocabulary

    @property
    def window(self) -> int | None:
        """W, the steps of the longest sequence that it was trained on; None if it doesn't say."""
        return _trained_window(self.metrics)


def save(checkpoint: Checkpoint, path: Path) -> str:
    """Write the file whole or not at all; returns `sha256:…` of it. Raises `CheckpointError` if it can't be written."""
    vocabulary = checkpoint.vocabulary
    metadata = {
        "format": FORMAT,
        "profile": checkpoint.profile,
        "trained": json.dumps(checkpoint.trained),
        "vocabulary": vocabulary.to_json(),
        "network": json.dumps(checkpoint.network.config.to_dict()),
        "geometry_version": str(GEOMETRY_VERSION),
        "priors": json.dumps(_priors(checkpoint)),
        "smoothing": checkpoint.smoothing.to_json(),
        "metrics": json.dumps(dict(checkpoint.metrics)),
        "training_command": checkpoint.training_command,
    }
    named = dict(checkpoint.network.state_dict())
    if checkpoint.features is not None:
        metadata["features"] = json.dumps(checkpoint.features.config.to_dict())
        named |= {f"{_FEATURES}{name}": tensor for name, tensor in checkpoint.features.state_dict().items()}
    if checkpoint.detector is not None:
        metadata["detector"] = checkpoint.detector.description.to_json()
        named |= {f"{_DETECTOR}{name}": tensor for name, tensor in checkpoint.detector.tensors.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
    unfinished = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, unfinished, metadata)
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise CheckpointError(f"{path}: can't be written: {error}") from None
    return file_sha256(path)


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a file that `save` wrote; the network is on `device`, in evaluation mode.

    Raises `CheckpointError` where the file is missing, damaged, of another version, or its parts don't fit together.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint; `partstream train` makes one")
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file, or damaged ({error})") from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: its format is {metadata.get('format')!r}, this version reads {FORMAT!r}")
    try:
        vocabulary = Vocabulary.from_json(metadata["vocabulary"], f"{path}: vocabulary")
        config = NetworkConfig.from_dict(json.loads(metadata["network"]))
        priors = json.loads(metadata["priors"])
        smoothing = SmoothingConfig.from_json(metadata["smoothing"])
        trained = bool(json.loads(metadata["trained"]))
        metrics = json.loads(metadata["metrics"])
        _trained_window(metrics)
        profile, command = metadata["profile"], metadata["training_command"]
        language_model, priors_vocabulary = priors["language_model"], priors["vocabulary"]
        # Checkpoints from before have neither.
        language_model_sha256, priors_table = priors.get("language_model_sha256", ""), priors.get("table")
        geometry_version = metadata["geometry_version"]
    except KeyError as error:
        raise CheckpointError(f"{path}: the metadata lacks {error}") from None
    except (VocabularyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    if priors_vocabulary != vocabulary.sha256():
        raise CheckpointError(f"{path}: its language priors were built for another vocabulary; build them anew")
    if (
        config.geometry
        and config.part_features
        and (
            geometry_version != str(GEOMETRY_VERSION)
            or (config.part_features, config.context_features) != (PART_FEATURES, CONTEXT_FEATURES)
        )
    ):
        raise CheckpointError(
            f"{path}: trained on keypoint geometry {geometry_version} ({config.part_features} + "
            f"{config.context_features} features), this version computes {GEOMETRY_VERSION} ({PART_FEATURES} + "
            f"{CONTEXT_FEATURES}); train it anew"
        )
    extractor, seeing = _taken(tensors, _FEATURES), _taken(tensors, _DETECTOR)
    table = tensors.get("language_priors.table")
    if table is None and config.language:
        raise CheckpointError(f"{path}: the language priors are missing")
    if table is not None and priors_table not in (None, table_sha256(table, vocabulary)):
        raise CheckpointError(
            f"{path}: its language priors aren't those that were saved with its vocabulary; build them anew"
        )
    # Checkpoints from before the action's score had a temperature, and RoI features means and spreads.
    tensors.setdefault("action_lstm.temperature", torch.ones(()))
    if config.visual:
        tensors.setdefault("visual_mean", torch.zeros(config.visual_features))
        tensors.setdefault("visual_scale", torch.ones(config.visual_features))
    try:
        network = ActionNetwork(config, vocabulary, table)
        network.load_state_dict(tensors, strict=True)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path}: the weights don't fit the network: {error}") from None
    network = network.to(device).eval().requires_grad_(False)
    features = _extractor(metadata, extractor, config, path)
    detector = _detector(metadata, seeing, config, vocabulary, path)
    return Checkpoint(
        network,
        profile,
        trained,
        language_model,
        smoothing,
        metrics,
        command,
        file_sha256(path),
        language_model_sha256,
        None if features is None else features.to(device),
        detector,
    )


def _taken(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Takes out those whose names begin so, under the rest of their names."""
    return {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}


def _extractor(
    metadata: Mapping[str, str], tensors: dict[str, Tensor], config: NetworkConfig, path: Path
) -> VggFeatures | None:
    """The feature extractor in a checkpoint, if it has one."""
    if "features" not in metadata:
        if tensors:
            raise CheckpointError(f"{path}: its feature extractor can't be used: the metadata doesn't describe it")
        return None
    try:
        features = vgg_from_tensors(VggConfig.from_dict(json.loads(metadata["features"])), tensors, f"{path}: features")
    except (WeightsError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: its feature extractor can't be used: {error}") from None
    if features.length != config.visual_features:
        raise CheckpointError(
            f"{path}: its feature extractor gives {features.length} numbers a region, its network reads "
            f"{config.visual_features}"
        )
    return features


def _detector(
    metadata: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    config: NetworkConfig,
    vocabulary: Vocabulary,
    path: Path,
) -> StoredDetector | None:
    """The detector in a checkpoint, if it has one. Only whoever runs it needs mmdet: whether the tensors are those of
    its description is known there."""
    where = f"{path}: its detector can't be used"
    if "detector" not in metadata:
        if tensors:
            raise CheckpointError(f"{where}: the metadata doesn't describe it")
        return None
    if not tensors:
        raise CheckpointError(f"{where}: its weights are missing")
    try:
        description = DetectorDescription.from_json(metadata["detector"], path.name)
        classes = RegionClasses.of(description.classes, vocabulary.parts)
    except DetectorError as error:
        raise CheckpointError(f"{where}: {error}") from None
    if not classes.parts:
        raise CheckpointError(f"{where}: it finds none of the vocabulary's parts ({', '.join(vocabulary.parts)})")
    if config.reads_geometry or (config.visual and "features" not in metadata):
        raise CheckpointError(f"{where}: the network reads keypoints, which it doesn't find")
    return StoredDetector(description, tensors, f"{path}: detector")


def _priors(checkpoint: Checkpoint) -> dict[str, str]:
    """What the language priors were built from, and the hash that ties them to the vocabulary."""
    network, vocabulary = checkpoint.network, checkpoint.vocabulary
    said = {
        "language_model": checkpoint.language_model,
        "language_model_sha256": checkpoint.language_model_sha256,
        "vocabulary": vocabulary.sha256(),
    }
    if not network.config.language:
        return said
    return said | {"table": table_sha256(network.language_priors.table, vocabulary)}


def _trained_window(metrics: Mapping[str, Any]) -> int | None:
    """`config.data.window` of a training run's figures, None where there is none. Raises ValueError for a wrong one."""
    found: Any = metrics
    for key in ("config", "data", "window"):
        found = cast("Mapping[str, Any]", found).get(key) if isinstance(found, Mapping) else None
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and found >= 2):
        return found
    raise ValueError(f"metrics: config.data.window is {found!r}, not a number of steps from 2")


def file_sha256(path: Path) -> str:
    """`sha256:` and the hex hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"
