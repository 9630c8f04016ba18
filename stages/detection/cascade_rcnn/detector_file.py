"""A detector in a file: ours, which loads without any other, and mmdet's `.pth`, which needs its configuration.

Ours is a safetensors file whose metadata hold the description (`detector_model.DetectorDescription`). What is loaded
belongs to the caller. A `StoredDetector` is what a file holds, before mmdet makes a model of it: a checkpoint carries
one.
"""

from __future__ import annotations

import contextlib
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
from stages.detection.detector import DetectorError

FORMAT = "partstream.detector/1"
_NAMED = 5
"""So many of the weights that don't fit are named."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredDetector:
    """Description and tensors of a detector, by mmdet's names, on the CPU; `where` names it in messages."""

    description: DetectorDescription
    tensors: Mapping[str, Tensor]
    where: str

    def model(self) -> nn.Module:
        """mmdet's model in evaluation mode, on the CPU. Raises `DetectorError` where the tensors don't fit, and
        `ImportError` without the extra `mmdet`."""
        model = build(self.description)
        try:
            missing, unexpected = model.load_state_dict(self.tensors, strict=False)
        except RuntimeError as error:
            raise DetectorError(f"{self.where}: the weights don't fit the configuration: {error}") from None
        # Counters of batch norm only matter to training, and older files lack them.
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise DetectorError(
                f"{self.where}: the weights don't fit the configuration: it lacks {_some(missing)}, "
                f"and has {_some(unexpected)} too many"
            )
        return model


def save(model: nn.Module, description: DetectorDescription, path: Path, half: bool = False) -> None:
    """Write the file whole or not at all. `half`: weights in 16 bits, in half the space; they are read back as 32.
    Raises `DetectorError` if it can't be written."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    unfinished = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, unfinished, {"format": FORMAT, "description": description.to_json()})
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise DetectorError(f"{path}: can't be written: {error}") from None


def load(path: Path, config: str | Path | None = None) -> tuple[nn.Module, DetectorDescription]:
    """mmdet's model in evaluation mode, on the CPU, and its description. Raises as `read` and `StoredDetector.model`
    do."""
    stored = read(path, config)
    return stored.model(), stored.description


def read(path: Path, config: str | Path | None = None) -> StoredDetector:
    """What a file holds.

    A `.pth` is one of mmdet's: `config` is the configuration that it was trained with, by default the paper's detector
    on COCO; the classes are those that it was saved with. Raises `DetectorError` where the file is missing, damaged,
    or of another version.
    """
    if not path.is_file():
        raise DetectorError(f"{path}: there is no such detector; `training.detector` makes one, mmdet publishes others")
    if path.suffix == ".pth":
        tensors, description = _read_mmdet(path, config or COCO_CONFIG)
    elif config is not None:
        raise DetectorError(f"{path}: brings its own configuration; leave {config} away")
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
        raise DetectorError(f"{path}: its format is {metadata.get('format')!r}, this version reads {FORMAT!r}")
    return tensors, DetectorDescription.from_json(metadata["description"], str(path))


def _read_mmdet(path: Path, config: str | Path) -> tuple[Mapping[str, Tensor], DetectorDescription]:
    try:
        with torch.serialization.safe_globals(_UNREAD):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        # torch's own message advises to trust the file, which would run what is in it.
        raise DetectorError(f"{path}: not a file of weights, or damaged ({type(error).__name__})") from None
    if not isinstance(content, Mapping):
        raise DetectorError(f"{path}: holds a {type(content).__name__}, not mmdet's `state_dict` and `meta`")
    meta = content.get("meta") or {}
    saved = meta.get("dataset_meta") or meta
    classes = saved.get("classes") or saved.get("CLASSES")
    if not classes:
        raise DetectorError(f"{path}: its `meta` doesn't name the classes (`dataset_meta.classes`), so no box has one")
    model, scale = read_config(config)
    model.get("backbone", {})["init_cfg"] = None
    described = DetectorDescription(model, (), scale, trained=True)
    tensors: Mapping[str, Tensor] = content.get("state_dict", content)
    # A copy under moving averages is kept beside the weights by some recipes.
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(("ema_", "data_preprocessor."))}
    return tensors, for_classes(described, [str(name) for name in classes])


class _Unread:
    """Stands for whatever the logs that mmengine saves beside the weights are made of: nothing of it is run or kept."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


_UNREAD: list[Any] = [
    (_Unread, name)
    for name in (
        "mmengine.logging.history_buffer.HistoryBuffer",
        "builtins.getattr",
        "__builtin__.getattr",
        "numpy.ndarray",
        "numpy.dtype",
        # numpy called its package `core` before version 2.
        *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    )
]


def _some(names: list[str]) -> str:
    if not names:
        return "nothing"
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
