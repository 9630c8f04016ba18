"""Detector files: partstream's own format, which is complete, and mmdet's `.pth`, which needs its configuration.

partstream's format is a safetensors file whose metadata contain the description (`detector_model.DetectorDescription`).
A `StoredDetector` is the content of a file, from which mmdet builds the model; checkpoints can contain one too.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stages.detection.cascade_rcnn.detector_model import (
    COCO_CONFIG,
    DetectorDescription,
    build,
    for_classes,
    read_config,
)
from stages.detection.detections import DetectorError
from stages.whole_file import whole_file

FORMAT = "partstream.detector/1"
_MAX_NAMED = 5
"""Mismatched weights named in an error."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredDetector:
    """Description and tensors of a detector, by mmdet's names, on the CPU. `where` names the file in messages."""

    description: DetectorDescription
    tensors: Mapping[str, Tensor]
    where: str

    def model(self) -> nn.Module:
        """Build mmdet's model in evaluation mode, on the CPU.

        Raises `DetectorError` if the tensors don't match the description, `ImportError` without the extra `mmdet`.
        """
        model = build(self.description)
        try:
            missing, unexpected = model.load_state_dict(self.tensors, strict=False)
        except RuntimeError as error:
            raise DetectorError(f"{self.where}: the weights don't match the configuration: {error}") from None
        # Only training uses the counters of batch norm, and older files lack them.
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            differences = [
                f"{kind} {_some(names)}" for kind, names in (("missing", missing), ("unexpected", unexpected)) if names
            ]
            raise DetectorError(f"{self.where}: the weights don't match the configuration: {'; '.join(differences)}")
        return model


def save(model: nn.Module, description: DetectorDescription, path: Path, half: bool = False) -> None:
    """Write a detector file atomically. `half`: store weights in 16 bits; they are loaded as 32.

    Raises `DetectorError` if the file can't be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    try:
        with whole_file(path) as unfinished:
            save_file(tensors, unfinished, {"format": FORMAT, "description": description.to_json()})
    except (OSError, SafetensorError) as error:
        raise DetectorError(f"{path}: can't be written: {error}") from None


def load(path: Path, config: str | Path | None = None) -> tuple[nn.Module, DetectorDescription]:
    """Return mmdet's model in evaluation mode, on the CPU, and its description.

    Raises as `read` and `StoredDetector.model` do.
    """
    stored = read(path, config)
    return stored.model(), stored.description


def read(path: Path, config: str | Path | None = None) -> StoredDetector:
    """Read a detector file.

    For an mmdet `.pth`, `config` is the configuration that it was trained with, by default that of the paper's detector
    on COCO; the classes are read from the file. Raises `DetectorError` if the file is missing, damaged, or of another
    version.
    """
    if not path.is_file():
        raise DetectorError(
            f"{path}: no such file; train a detector with `partstream train detector` or download one of mmdet's"
        )
    if path.suffix == ".pth":
        tensors, description = _read_mmdet(path, config or COCO_CONFIG)
    elif config is not None:
        raise DetectorError(f"{path}: the file contains its own configuration; remove {config}")
    else:
        tensors, description = _read_ours(path)
    return StoredDetector(description, tensors, str(path))


def _read_ours(path: Path) -> tuple[dict[str, Tensor], DetectorDescription]:
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise DetectorError(f"{path}: not a safetensors file, or damaged ({error})") from None
    if metadata.get("format") != FORMAT or "description" not in metadata:
        raise DetectorError(f"{path}: the format is {metadata.get('format')!r}; this version reads {FORMAT!r}")
    return tensors, DetectorDescription.from_json(metadata["description"], str(path))


def _read_mmdet(path: Path, config: str | Path) -> tuple[Mapping[str, Tensor], DetectorDescription]:
    try:
        with torch.serialization.safe_globals(_DISCARDED_TYPES):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        # torch's message is left out, because it advises to trust the file, which would run code in it.
        raise DetectorError(f"{path}: not a weights file, or damaged ({type(error).__name__})") from None
    if not isinstance(content, Mapping):
        raise DetectorError(f"{path}: contains a {type(content).__name__} instead of mmdet's `state_dict` and `meta`")
    meta = content.get("meta") or {}
    saved = meta.get("dataset_meta") or meta
    classes = saved.get("classes") or saved.get("CLASSES")
    if not classes:
        raise DetectorError(f"{path}: `meta` lacks the class names (`dataset_meta.classes`)")
    model, scale = read_config(config)
    model.get("backbone", {})["init_cfg"] = None
    described = DetectorDescription(model, (), scale, trained=True)
    tensors: Mapping[str, Tensor] = content.get("state_dict", content)
    # Some recipes also save a moving average of the weights.
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(("ema_", "data_preprocessor."))}
    return tensors, for_classes(described, [str(name) for name in classes])


class _Discarded:
    """Stands in for the types in the logs that mmengine saves beside the weights, so that none of their code runs."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


_DISCARDED_TYPES: list[Any] = [
    (_Discarded, name)
    for name in (
        "mmengine.logging.history_buffer.HistoryBuffer",
        "builtins.getattr",
        "__builtin__.getattr",
        "numpy.ndarray",
        "numpy.dtype",
        # numpy's package was called `core` before version 2.
        *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    )
]


def _some(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
