"""Whatever a checkpoint holds, it is loaded or refused with one typed error, before it takes much memory."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from safetensors import safe_open
from safetensors.torch import save_file

from stages.checkpoint import Checkpoint, CheckpointError, load, save
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.people.smoothing import SmoothingConfig
from stages.vocabulary import packaged
from support.damage import CHANCES, damaged, damaged_bytes
from support.examples import examples

SMALL = NetworkConfig(
    relevance_hidden=8, state_hidden=8, prior_hidden=8, graph_hidden=8, action_width=8, action_hidden=8
)
VISUAL = {"part_features": 0, "context_features": 0, "geometry": False, "visual": True}
DEEP = "[" * 200_000


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, torch.Tensor], dict[str, str]]:
    """A checkpoint's bytes, tensors and metadata."""
    path = tmp_path_factory.mktemp("sound") / "a.safetensors"
    vocabulary = packaged("edge")
    priors = torch.zeros(len(vocabulary.parts), len(vocabulary.states), 4)
    network = ActionNetwork(SMALL, vocabulary, priors).eval()
    metrics = {"macro": 0.5, "config": {"data": {"window": 32}}, "learned_from": {}}
    save(Checkpoint(network, "edge", True, "minilm", SmoothingConfig(), metrics, "train"), path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return path.read_bytes(), tensors, dict(file.metadata())


def load_or_refuse(path: Path) -> None:
    try:
        load(path)
    except CheckpointError as error:
        assert str(path) in str(error)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=CHANCES)
def test_damaged_metadata_is_read_or_refused(tmp_path: Path, sound: Any, chance: random.Random) -> None:
    _, tensors, metadata = sound
    changed = dict(metadata)
    for name in chance.sample([*metadata, "features", "detector"], chance.choice((1, 1, 1, 2))):
        text = metadata.get(name, "{}")
        try:
            content = json.loads(text)
        except ValueError:
            content = text
        changed[name] = damaged(chance, content, lambda value: json.dumps(value).encode()).decode(errors="replace")
    path = tmp_path / "a.safetensors"
    save_file(tensors, path, changed)
    load_or_refuse(path)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=CHANCES)
def test_damaged_bytes_are_read_or_refused(tmp_path: Path, sound: Any, chance: random.Random) -> None:
    whole: bytes = sound[0]
    head = 8 + int.from_bytes(whole[:8], "little")
    path = tmp_path / "a.safetensors"
    path.write_bytes(damaged_bytes(chance, whole[:head]) + whole[head:])
    load_or_refuse(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": json.dumps({**SMALL.to_dict(), **VISUAL, "visual_features": 10**15})},
        {"network": json.dumps({**SMALL.to_dict(), **VISUAL, "visual_features": 2.5})},
        {"features": DEEP},
        {"features": json.dumps({"channels": 10**15})},
        {"detector": DEEP},
        {"detector": '{"model": {}, "scale": [1e999, 1], "classes": [], "trained": true, "metrics": {}}'},
    ],
    ids=["features of a petabyte", "half a feature", "deep features", "wide features", "deep detector", "no scale"],
)
def test_sizes_and_depths_that_no_checkpoint_has_are_refused(
    tmp_path: Path, sound: Any, changes: dict[str, str]
) -> None:
    _, tensors, metadata = sound
    path = tmp_path / "a.safetensors"
    extra = {"detector.x": torch.zeros(1)} if "detector" in changes else {}
    save_file(tensors | extra, path, metadata | changes)
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        load(path)
