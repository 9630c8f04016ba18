"""Reading the weights of a TensorFlow.js graph model: a JSON description and one binary file, without TensorFlow.

Owns nothing: two files in, a dictionary of tensors out.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_TYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4"), "float16": np.dtype("<f2")}


class GraphError(ValueError):
    """The files are not a TensorFlow.js graph model that can be read; the message says which and why."""


def read_weights(description: Path, binary: Path) -> dict[str, Tensor]:
    """Every constant of the graph by its name, in the layout of TensorFlow, float32 or int32.

    Weights stored as float16 are widened; other quantisations are refused. Raises `GraphError`, `OSError`.
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
            raise GraphError(f"{binary} ends within {entry['name']}: it belongs to another description, or is cut off")
        values = np.frombuffer(content, _TYPES[stored], count, offset).astype(_TYPES[entry["dtype"]])
        weights[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]))
        offset = end
    if offset != len(content):
        raise GraphError(f"{binary} has {len(content) - offset} bytes more than {description} describes")
    return weights
