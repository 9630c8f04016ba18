"""Reader of the weights of a TensorFlow.js graph model (a JSON description and one binary file) without TensorFlow."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_TYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4"), "float16": np.dtype("<f2")}


class GraphError(ValueError):
    """The files are not a readable TensorFlow.js graph model; the message names the file and the reason."""


def read_weights(description: Path, binary: Path) -> dict[str, Tensor]:
    """Return all constants of the graph by name, in TensorFlow's layout, float32 or int32.

    Weights stored as float16 are converted to float32; other quantisations are errors. Raises `GraphError`, `OSError`.
    """
    try:
        groups = json.loads(description.read_text("utf-8"))["weightsManifest"]
        entries = [entry for group in groups for entry in group["weights"]]
    except (ValueError, KeyError, TypeError) as error:
        raise GraphError(f"{description} is not the description of a TensorFlow.js graph model") from error
    content = binary.read_bytes()
    weights: dict[str, Tensor] = {}
    offset = 0
    for entry in entries:
        stored = entry.get("quantization", {}).get("dtype", entry["dtype"])
        if stored not in _TYPES or entry["dtype"] not in _TYPES:
            raise GraphError(f"{description}: {entry['name']} is stored as {stored}, which isn't supported")
        count = math.prod(entry["shape"])
        end = offset + count * _TYPES[stored].itemsize
        if end > len(content):
            raise GraphError(f"{binary} ends within {entry['name']}: it is truncated or belongs to another description")
        values = np.frombuffer(content, _TYPES[stored], count, offset).astype(_TYPES[entry["dtype"]])
        weights[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]))
        offset = end
    if offset != len(content):
        raise GraphError(f"{binary} is {len(content) - offset} bytes longer than {description} specifies")
    return weights


class Constants:
    """The constants of a network's graph; a missing constant or one of another shape is an error."""

    def __init__(self, tensors: Mapping[str, Tensor], network: str) -> None:
        """`network`: the network that the graph should be, for messages."""
        self._tensors, self._network = tensors, network

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return the constant of this name. Raises `GraphError`."""
        tensor = self._tensors.get(name)
        if tensor is None:
            raise GraphError(f"the graph has no {name}; it isn't {self._network}")
        if tuple(tensor.shape) != shape:
            raise GraphError(
                f"{name} has shape {tuple(tensor.shape)} instead of {shape}; the graph isn't {self._network}"
            )
        return tensor
