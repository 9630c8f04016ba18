"""Reading TensorFlow.js weights, and rejecting anything else with a clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.detection.movenet.movenet_network import Network, ThunderNetwork
from stages.detection.nanodet.nanodet_network import NanoDetNetwork
from stages.detection.tfjs_graph import Constants, GraphError, read_weights

HALVES = np.array([[0.5, -1.25], [3.0, 1024.0]], np.float16)
FLOATS = np.array([1.1, 2.2], np.float32)
NUMBER = np.array(-7, np.int32)


def graph(folder: Path, cut: int = 0, more: bytes = b"", **changes: Any) -> tuple[Path, Path]:
    """Write a description of three constants and its binary file, and return their paths."""
    half: dict[str, Any] = {"dtype": "float16", "original_dtype": "float32"}
    entries = [
        {"name": "halves", "shape": [2, 2], "dtype": "float32", "quantization": half | changes},
        {"name": "number", "shape": [], "dtype": "int32"},
        {"name": "floats", "shape": [2], "dtype": "float32"},
    ]
    content = HALVES.tobytes() + NUMBER.tobytes() + FLOATS.tobytes()
    (folder / "model.json").write_text(json.dumps({"weightsManifest": [{"paths": ["model.bin"], "weights": entries}]}))
    (folder / "model.bin").write_bytes(content[: len(content) - cut] + more)
    return folder / "model.json", folder / "model.bin"


def test_all_constants_are_read_and_float16_becomes_float32(tmp_path: Path) -> None:
    found = read_weights(*graph(tmp_path))
    assert torch.equal(found["halves"], torch.tensor([[0.5, -1.25], [3.0, 1024.0]]))
    assert found["number"].item() == -7
    assert found["number"].dtype == torch.int32
    assert torch.equal(found["floats"], torch.tensor([1.1, 2.2]))


def test_a_truncated_binary_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="ends within floats"):
        read_weights(*graph(tmp_path, cut=1))


@pytest.mark.parametrize(
    ("network", "name", "layer"),
    [
        (Network, "MoveNet MultiPose", "Conv1"),
        (ThunderNetwork, "MoveNet Thunder", "Conv1"),
        (NanoDetNetwork, "NanoDet-g", "split"),
    ],
)
def test_another_network_is_rejected_with_the_layer_that_differs(
    tmp_path: Path, network: type[Network], name: str, layer: str
) -> None:
    with pytest.raises(GraphError, match=rf"no .*{layer}.*isn't {name}"):
        network().fill(Constants(read_weights(*graph(tmp_path)), name))
