"""Detector files of partstream and of mmdet."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from stages.detection.cascade_rcnn import detector_file
from stages.detection.cascade_rcnn.detector_model import (
    COCO_CONFIG,
    DetectorDescription,
    build,
    narrow_detector,
    read_config,
)
from stages.detection.detections import DetectorError

CLASSES = ("person", "head", "ball")


@pytest.fixture(scope="module")
def description() -> DetectorDescription:
    narrow = narrow_detector(CLASSES)
    return dataclasses.replace(narrow, trained=True, metrics={"recall": 0.5}, training_command="train it")


@pytest.fixture(scope="module")
def model(description: DetectorDescription) -> nn.Module:
    return build(description)


@pytest.fixture(scope="module")
def config(description: DetectorDescription, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mmdet configuration file of the narrow detector, for another number of classes."""
    path = tmp_path_factory.mktemp("configs") / "narrow.py"
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "Resize", "scale": (96, 64), "keep_ratio": True}]
    with_80_classes = narrow_detector([str(row) for row in range(80)])
    path.write_text(f"model = {with_80_classes.model!r}\ntest_dataloader = dict(dataset=dict(pipeline={pipeline!r}))\n")
    return path


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_weights_in_16_bits_take_half_the_space_and_are_loaded_as_32(
    model: nn.Module, description: DetectorDescription, tmp_path: Path
) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    detector_file.save(model, description, whole)
    detector_file.save(model, description, half, half=True)
    assert half.stat().st_size < 0.51 * whole.stat().st_size
    loaded, _ = detector_file.load(half)
    for ours, theirs in zip(loaded.parameters(), model.parameters(), strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs.half().float())


def test_a_saved_detector_loads_without_any_other_file(
    model: nn.Module, description: DetectorDescription, tmp_path: Path
) -> None:
    detector_file.save(model, description, tmp_path / "deep" / "detector.safetensors")
    loaded, loaded_description = detector_file.load(tmp_path / "deep" / "detector.safetensors")
    assert same_weights(loaded, model)
    assert loaded_description == description
    assert not loaded.training
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["detector.safetensors"]


@pytest.mark.parametrize(
    "meta",
    [{"CLASSES": list(CLASSES)}, {"dataset_meta": {"classes": CLASSES}}, {"dataset_meta": {"CLASSES": CLASSES}}],
    ids=["version-2", "version-3", "version-3-early"],
)
def test_an_mmdet_file_loads_with_its_configuration_and_its_own_classes(
    model: nn.Module, config: Path, tmp_path: Path, meta: dict[str, Any]
) -> None:
    path = tmp_path / "mmdet.pth"
    torch.save({"meta": {"epoch": 12, **meta}, "state_dict": model.state_dict()}, path)
    loaded, description = detector_file.load(path, config)
    assert same_weights(loaded, model)
    assert (description.classes, description.scale, description.trained) == (CLASSES, (96, 64), True)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm-was-done"),))


def test_a_file_that_would_run_code_is_rejected(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"meta": {"CLASSES": CLASSES}, "state_dict": {}, "more": Harmful()}, tmp_path / "mmdet.pth")
    with pytest.raises(DetectorError, match=r"mmdet\.pth: not a weights file, or damaged"):
        detector_file.load(tmp_path / "mmdet.pth", config)
    assert not Path("harm-was-done").exists()


def test_a_missing_damaged_or_foreign_file_is_rejected_with_the_reason(
    model: nn.Module, description: DetectorDescription, tmp_path: Path
) -> None:
    path = tmp_path / "detector.safetensors"
    with pytest.raises(DetectorError, match="no such file"):
        detector_file.load(path)
    path.write_bytes(b"not weights")
    with pytest.raises(DetectorError, match="not a safetensors file, or damaged"):
        detector_file.load(path)
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(DetectorError, match="the format is None"):
        detector_file.load(path)
    (tmp_path / "mmdet.pth").write_bytes(b"not weights")
    with pytest.raises(DetectorError, match="not a weights file, or damaged"):
        detector_file.load(tmp_path / "mmdet.pth")
    detector_file.save(model, description, path)
    with pytest.raises(DetectorError, match="contains its own configuration"):
        detector_file.load(path, COCO_CONFIG)
    incomplete = json.loads(description.to_json())
    del incomplete["classes"]
    metadata = {"format": detector_file.FORMAT, "description": json.dumps(incomplete)}
    save_file(load_file(path), tmp_path / "incomplete.safetensors", metadata)
    with pytest.raises(DetectorError, match="description lacks 'classes'"):
        detector_file.load(tmp_path / "incomplete.safetensors")


def test_unusable_configurations_are_rejected_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="neither a file nor the name of an mmdet configuration"):
        read_config("cascade_rcnn/no-such-thing")
    path = tmp_path / "config.py"
    path.write_text("model = ")
    with pytest.raises(DetectorError, match=r"config\.py: mmengine can't read this configuration"):
        read_config(path)
    path.write_text("a = 1")
    with pytest.raises(DetectorError, match="has no `model`"):
        read_config(path)
    path.write_text("model = dict(type='CascadeRCNN')")
    with pytest.raises(DetectorError, match="no Resize with a `scale` of two sides"):
        read_config(path)
    with pytest.raises(DetectorError, match="can't build the detector"):
        build(DetectorDescription({"type": "CascadeRCNN"}, CLASSES, (96, 64)))
