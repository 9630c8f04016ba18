"""Checkpoints: a trained model in one safetensors file, which loads without any other file.

The tensors are the network's weights, including the table of language priors, and optionally those of a feature
extractor and a detector. The metadata holds the vocabulary, the experimental actions, the network's configuration,
smoothing, metrics and the training command.
"""

from __future__ import annotations

import copy
import dataclasses
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
from stages.detection.detections import DetectorError
from stages.detection.region_detector import RegionClasses
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.keypoint_features.geometry import CONTEXT_FEATURES, GEOMETRY_VERSION, PART_FEATURES
from stages.packaged_checkpoints import KEY, stored_actions
from stages.people.smoothing import SmoothingConfig
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import vgg_from_tensors
from stages.stored_settings import decoded, encoded
from stages.third_party.weights import WeightsError
from stages.vocabulary import Vocabulary
from stages.weight_terms import WeightTerms, weight_terms
from stages.whole_file import whole_file

FORMAT = "partstream.checkpoint/1"
_FEATURES = "features."
"""Prefix of the names of the feature extractor's tensors."""
_DETECTOR = "detector."
"""Prefix of the names of the detector's tensors."""
DEFAULT_WINDOW_STEPS = 64
"""W of checkpoints that do not record the window that they were trained with."""
LONGEST_WINDOW_STEPS = 512
"""Largest W that a training run accepts."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message gives the file and the reason."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The content of a checkpoint file."""

    network: ActionNetwork
    profile: str
    trained: bool
    language_model: str
    """Name of the language model that the priors were built with."""
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    training_command: str = ""
    sha256: str = ""
    """`sha256:…` of the file; empty before the checkpoint is saved."""
    language_model_sha256: str = ""
    """Hex hash of the language model's files (`LanguageModel.sha256`); empty if it is not known."""
    features: VggFeatures | None = None
    """The feature extractor of regions; None if they are pooled from the detector's feature maps."""
    detector: StoredDetector | None = None
    """The detector of people, parts and objects; None for MoveNet, whose weights are a third-party package's."""
    experimental: tuple[str, ...] = ()
    """Actions that are too often wrong on real video, in the vocabulary's order. Training sets none."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary that names the network's outputs."""
        return self.network.vocabulary

    @property
    def terms(self) -> WeightTerms:
        """What the weights may be used for, and why."""
        return weight_terms(self.metrics)

    @property
    def window(self) -> int | None:
        """W, the steps of the longest sequence in training; None if it is not recorded."""
        return _trained_window(self.metrics)

    def setting(self, *names: str) -> Any:
        """Return a setting of the training run, such as ("data", "window"); None if it is not recorded."""
        return _setting(self.metrics, *names)


def save(checkpoint: Checkpoint, path: Path) -> str:
    """Write the file atomically and return its `sha256:…`.

    Raises `CheckpointError` if it cannot be written, or if the path is a folder or a device, which it would replace.
    """
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path}: can't be written: not a regular file; give the path of a file")
    vocabulary = checkpoint.vocabulary
    metadata = {
        "format": FORMAT,
        "profile": checkpoint.profile,
        "trained": json.dumps(checkpoint.trained),
        "vocabulary": vocabulary.to_json(),
        KEY: json.dumps(checkpoint.experimental),
        "network": encoded(checkpoint.network.config),
        "geometry_version": str(GEOMETRY_VERSION),
        "priors": json.dumps(
            {
                "language_model": checkpoint.language_model,
                "language_model_sha256": checkpoint.language_model_sha256,
            }
        ),
        "smoothing": encoded(checkpoint.smoothing),
        "metrics": json.dumps(dict(checkpoint.metrics)),
        "training_command": checkpoint.training_command,
    }
    named = {name: _narrowed(tensor) for name, tensor in checkpoint.network.state_dict().items()}
    if checkpoint.features is not None:
        metadata["features"] = encoded(checkpoint.features.config)
        named |= {f"{_FEATURES}{name}": tensor for name, tensor in checkpoint.features.state_dict().items()}
    if checkpoint.detector is not None:
        metadata["detector"] = checkpoint.detector.description.to_json()
        named |= {f"{_DETECTOR}{name}": tensor for name, tensor in checkpoint.detector.tensors.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
    try:
        with whole_file(path) as unfinished:
            save_file(tensors, unfinished, metadata)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: can't be written: {error}") from None
    return file_sha256(path)


def rounded(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with its network's weights rounded to half precision, so that its file is half as large."""
    network = copy.deepcopy(checkpoint.network)
    largest = torch.finfo(torch.float16).max
    weights = network.state_dict().items()
    network.load_state_dict({name: tensor.clamp(-largest, largest).half().to(tensor.dtype) for name, tensor in weights})
    return dataclasses.replace(checkpoint, network=network)


def _narrowed(tensor: Tensor) -> Tensor:
    """Return a tensor in half precision if that keeps all of its values."""
    half = tensor.half()
    return half if tensor.dtype == torch.float32 and torch.equal(half.float(), tensor) else tensor


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Return the checkpoint in a file, with its network on `device` and in evaluation mode.

    Raises `CheckpointError` if the file is missing, damaged, of another version, or inconsistent.
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"{path}: there is no such checkpoint; `partstream train` makes one")
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file, or damaged ({error})") from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: its format is {metadata.get('format')!r}, this version reads {FORMAT!r}")
    try:
        vocabulary = Vocabulary.from_json(metadata["vocabulary"], f"{path}: vocabulary")
        experimental = stored_actions(metadata, vocabulary)
        config = decoded(NetworkConfig, metadata["network"], "network")
        priors, metrics = (_object(metadata, key) for key in ("priors", "metrics"))
        smoothing = decoded(SmoothingConfig, metadata["smoothing"], "smoothing")
        if unknown := sorted(set(smoothing.onset) - set(vocabulary.actions)):
            raise ValueError(f"smoothing: `onset` names {', '.join(map(repr, unknown))}, not an action of it")
        _trained_window(metrics)
        weight_terms(metrics)
        profile, command, trained = metadata["profile"], metadata["training_command"], metadata["trained"] == "true"
        geometry_version = metadata["geometry_version"]
    except KeyError as error:
        raise CheckpointError(f"{path}: the metadata lacks {error}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    sizes = (config.part_features, config.context_features)
    if config.reads_geometry and (geometry_version, sizes) != (
        str(GEOMETRY_VERSION),
        (PART_FEATURES, CONTEXT_FEATURES),
    ):
        raise CheckpointError(
            f"{path}: trained on keypoint geometry {geometry_version:.20} ({sizes[0]} + {sizes[1]} features), this "
            f"version computes {GEOMETRY_VERSION} ({PART_FEATURES} + {CONTEXT_FEATURES}); train it again"
        )
    extractor_tensors, detector_tensors = _pop_prefixed(tensors, _FEATURES), _pop_prefixed(tensors, _DETECTOR)
    tensors = {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in tensors.items()}
    table = tensors.get("language_priors.table")
    try:
        network = ActionNetwork(config, vocabulary, table)
        network.load_state_dict(tensors, strict=True)
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: the weights don't fit the network: {error}") from None
    network = network.to(device).eval().requires_grad_(False)
    features = _extractor(metadata, extractor_tensors, config, path)
    detector = _detector(metadata, detector_tensors, config, vocabulary, path)
    return Checkpoint(
        network,
        profile,
        trained,
        priors.get("language_model", ""),
        smoothing,
        metrics,
        command,
        file_sha256(path),
        priors.get("language_model_sha256", ""),
        None if features is None else features.to(device),
        detector,
        experimental,
    )


def _object(metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    """Return the JSON object of a key. Raises `KeyError` if there is none, `ValueError` if it is no object."""
    try:
        found = json.loads(metadata[key])
    except (ValueError, RecursionError):
        raise ValueError(f"{key}: is not JSON, or is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError(f"{key}: is not an object")
    return cast("dict[str, Any]", found)


def _pop_prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove the tensors whose names have a prefix, and return them by name without it."""
    return {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}


def _extractor(
    metadata: Mapping[str, str], tensors: dict[str, Tensor], config: NetworkConfig, path: Path
) -> VggFeatures | None:
    """Return the checkpoint's feature extractor, if it has one."""
    if "features" not in metadata:
        if tensors:
            raise CheckpointError(f"{path}: its feature extractor can't be used: the metadata doesn't describe it")
        return None
    try:
        features = vgg_from_tensors(decoded(VggConfig, metadata["features"], "features"), tensors, f"{path}: features")
    except (WeightsError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: its feature extractor can't be used: {error}") from None
    if features.length != config.visual_features:
        raise CheckpointError(
            f"{path}: its feature extractor gives {features.length} features per region, but its network expects "
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
    """Return the checkpoint's detector, if it has one.

    Its tensors are checked against the description only when it is built, because that needs mmdet.
    """
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
        raise CheckpointError(f"{where}: it detects none of the vocabulary's parts ({', '.join(vocabulary.parts)})")
    if config.reads_geometry or (config.visual and "features" not in metadata):
        raise CheckpointError(f"{where}: the network needs keypoints, which it does not detect")
    return StoredDetector(description, tensors, f"{path}: detector")


def _trained_window(metrics: Mapping[str, Any]) -> int | None:
    """Return `config.data.window` of a training run's metrics, or None. Raises `ValueError` for an invalid value."""
    value = _setting(metrics, "data", "window")
    if value is None or (type(value) is int and 2 <= value <= LONGEST_WINDOW_STEPS):
        return value
    raise ValueError(
        f"metrics: config.data.window is {value!r:.100}, not a number of steps from 2 to {LONGEST_WINDOW_STEPS}"
    )


def _setting(metrics: Mapping[str, Any], *names: str) -> Any:
    value: Any = metrics
    for key in ("config", *names):
        value = cast("Mapping[str, Any]", value).get(key) if isinstance(value, Mapping) else None
    return value


def file_sha256(path: Path) -> str:
    """Return `sha256:` and the hex hash of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"
