"""A checkpoint with a detector: loading it, and errors for detectors that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from typer.testing import CliRunner

from run_stream import app
from stages.checkpoint import CheckpointError, load, save
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.packaged_checkpoints import PAPER, checkpoint_file
from stages.profiles import load_model
from stages.third_party.weights import WeightsError
from stages.vocabulary import PARTS


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("paper") / "paper.safetensors"
    with checkpoint_file(PAPER) as packaged:
        path.write_bytes(packaged.read_bytes())
    return path


def rewritten(path: Path, change: Change) -> Path:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    change(tensors, metadata)
    after = path.with_name("changed.safetensors")
    save_file(tensors, after, metadata)
    return after


Change = Callable[[dict[str, torch.Tensor], dict[str, Any]], Any]


def _without(prefix: str) -> Change:
    def change(tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
        for name in [name for name in tensors if name.startswith(prefix)]:
            del tensors[name]

    return change


def _classes(left_out: tuple[str, ...]) -> Change:
    def change(tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
        described = json.loads(metadata["detector"])
        described["classes"] = [name for name in described["classes"] if name not in left_out]
        metadata["detector"] = json.dumps(described)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without("detector."), "its weights are missing"),
        (lambda tensors, metadata: metadata.pop("detector"), "the metadata doesn't describe it"),
        (lambda tensors, metadata: metadata.update(detector="{"), "description can't be read"),
        (lambda tensors, metadata: metadata.update(detector="{}"), "description lacks 'scale'"),
        (_classes(("person",)), "no class `person`"),
        (_classes(("hip",)), "but not for hip"),
        (_classes(PARTS), "it detects none of the vocabulary's parts"),
        (lambda tensors, metadata: (_without("features.")(tensors, {}), metadata.pop("features")), "needs keypoints"),
    ],
)
def test_a_missing_or_inconsistent_detector_is_rejected(path: Path, change: Any, words: str) -> None:
    with pytest.raises(CheckpointError, match=rf"changed\.safetensors: its detector can't be used: .*{words}"):
        load(rewritten(path, change))


def test_a_detector_of_regions_with_a_network_that_needs_keypoints_is_rejected(path: Path, tmp_path: Path) -> None:
    made = load(path)
    words = made.vocabulary
    network = ActionNetwork(NetworkConfig(), words, torch.randn(10, len(words.states), 6))
    save(replace(made, network=network, features=None), tmp_path / "both.safetensors")
    with pytest.raises(CheckpointError, match="the network needs keypoints, which it does not detect"):
        load(tmp_path / "both.safetensors")


def test_weights_that_contradict_the_description_are_rejected_when_the_model_is_built(path: Path) -> None:
    def cut(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        tensors["detector.rpn_head.rpn_conv.bias"] = torch.zeros(3)

    for change in (_without("detector.rpn_head.rpn_conv.weight"), cut):
        with pytest.raises(WeightsError, match=r"(?s)changed\.safetensors: detector: .*rpn_head\.rpn_conv"):
            load_model(str(rewritten(path, change)), "cpu", threads=1)


@pytest.mark.usefixtures("all_runtimes")
def test_the_heads_can_be_exported_without_geometry_and_with_one_object_per_person_but_not_the_detector(
    path: Path, tmp_path: Path
) -> None:
    given = ["export", "--profile", str(path), "--out", str(tmp_path / "onnx")]
    refused = CliRunner().invoke(app, given)
    assert refused.exit_code == 2
    done = CliRunner().invoke(app, [*given, "--parts", "heads"])
    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in (tmp_path / "onnx").iterdir()) == ["heads.json", "heads.onnx"]
    width = load(path).network.config.visual_features
    about = json.loads((tmp_path / "onnx" / "heads.json").read_text())
    assert [(port["name"], port["shape"]) for port in about["inputs"]] == [
        ("present", ["people", 10]),
        ("part_regions", ["people", 10, width]),
        ("object_regions", ["people", 1, width]),
    ]
    assert "features" not in about and "strides" not in about["regions"]
