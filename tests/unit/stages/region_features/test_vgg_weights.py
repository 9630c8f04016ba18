"""Weights of the feature extractor: all known layouts give the same network; wrong tensors are named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import LAYOUTS, Layout, load_features, save_features
from stages.third_party.weights import WeightsError

TINY = VggConfig(channels=2, hidden=12, bins=3)
each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.title for layout in LAYOUTS])


def made() -> VggFeatures:
    torch.manual_seed(1)
    return VggFeatures(TINY)


def foreign(layout: Layout) -> dict[str, torch.Tensor]:
    """Return the tiny network's tensors in a layout, with the other tensors of such a file."""
    names = {"fc6": layout.fc6[0], "fc7": layout.fc7[0]}
    tensors = {}
    for name, tensor in made().state_dict().items():
        place, kind = name.rsplit(".", 1)
        ours = names.get(place) or layout.trunk + place.removeprefix("features.")
        tensors[f"{ours}.{kind}"] = tensor
    return tensors | {f"{other}weight": torch.zeros(3) for other in layout.others}


def written(folder: Path, content: Any) -> Path:
    path = folder / "weights.pth"
    torch.save(content, path)
    return path


def assert_same(found: VggFeatures, expected: VggFeatures) -> None:
    for (name, mine), (_, theirs) in zip(found.named_parameters(), expected.named_parameters(), strict=True):
        assert torch.equal(mine, theirs), name


@each_layout
def test_each_known_layout_is_read_whole(layout: Layout, tmp_path: Path) -> None:
    path = written(tmp_path, foreign(layout))
    found = load_features(path, short_side=64)
    assert_same(found, made())
    assert (found.config.channels, found.config.hidden, found.config.bins) == (2, 12, 3)
    assert (found.config.short_side, found.config.normalisation) == (64, layout.normalisation)
    assert load_features(path, normalisation="caffe").config.normalisation == "caffe"
    assert not found.training and not any(weight.requires_grad for weight in found.parameters())


@pytest.mark.parametrize("wrapped", ["model", "state_dict", "model_state_dict"])
def test_weights_in_a_training_checkpoint_and_of_data_parallel_training_are_found(wrapped: str, tmp_path: Path) -> None:
    tensors = {f"module.{name}": tensor for name, tensor in foreign(LAYOUTS[0]).items()}
    found = load_features(written(tmp_path, {wrapped: tensors, "epoch": 3, "optimizer": {"state": {}}}))
    assert_same(found, made())


@each_layout
def test_missing_and_unknown_tensors_are_named(layout: Layout, tmp_path: Path) -> None:
    tensors = foreign(layout)
    del tensors[f"{layout.trunk}5.bias"], tensors[f"{layout.fc7[0]}.weight"]
    tensors["attention.weight"] = torch.zeros(2)
    with pytest.raises(WeightsError) as error:
        load_features(written(tmp_path, tensors))
    message = str(error.value)
    assert "weights.pth" in message and layout.title in message
    assert f"{layout.trunk}5.bias" in message and f"{layout.fc7[0]}.weight" in message
    assert "unknown: attention.weight" in message


def test_pickled_code_is_not_executed(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"features.0.weight": Malicious()}, tmp_path / "malicious.pth")
    with pytest.raises(WeightsError, match="not a file of torch weights"):
        load_features(tmp_path / "malicious.pth")
    assert not (tmp_path / "ran").exists()


def test_saved_features_are_loaded_with_their_configuration(tmp_path: Path) -> None:
    config = VggConfig(2, 12, 3, samples=1, short_side=96, dropout=0.1, normalisation="caffe")
    before = VggFeatures(config)
    save_features(before, tmp_path / "deep" / "features.safetensors")
    after = load_features(tmp_path / "deep" / "features.safetensors")
    assert after.config == config
    assert_same(after, before)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["features.safetensors"]
    with pytest.raises(WeightsError, match="can't be written"):
        save_features(before, tmp_path / "deep" / "features.safetensors" / "below.safetensors")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "partstream.checkpoint/1"}, "its format is"),
        ({"features": json.dumps({"depth": 3})}, r"unknown fields \['depth'\]"),
        ({"features": json.dumps(dataclasses.asdict(TINY) | {"short_side": 100})}, "must be a multiple of 16"),
        ({"features": json.dumps(dataclasses.asdict(TINY) | {"hidden": 13})}, r"fc6\.bias \[12\] instead of \[13\]"),
    ],
)
def test_an_inconsistent_file_of_our_format_is_rejected(metadata: dict[str, str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "features.safetensors"
    save_features(made(), path)
    with safe_open(path, framework="pt") as file:
        before = file.metadata()
    save_file(made().state_dict(), path, before | metadata)
    with pytest.raises(WeightsError, match=message):
        load_features(path)
