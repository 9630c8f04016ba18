"""A checkpoint is one file with the whole model; a damaged or inconsistent one is rejected with the reason."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from stages.checkpoint import Checkpoint, CheckpointError, load, save
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.packaged_checkpoints import summary
from stages.people.smoothing import SmoothingConfig
from stages.profiles import load_checkpoint
from stages.third_party.weights import WeightsError
from stages.vocabulary import packaged

SMALL = NetworkConfig(
    relevance_hidden=8, state_hidden=8, prior_hidden=8, graph_hidden=8, action_width=8, action_hidden=8
)


def made(config: NetworkConfig = SMALL) -> Checkpoint:
    torch.manual_seed(3)
    vocabulary = packaged("edge")
    priors = torch.randn(len(vocabulary.parts), len(vocabulary.states), 12)
    return Checkpoint(
        ActionNetwork(config, vocabulary, priors).eval(),
        profile="edge",
        trained=True,
        language_model="minilm",
        smoothing=SmoothingConfig(default_seconds=0.9),
        metrics={"macro": 0.5, "per_action": {"walk": 0.9}},
        training_command="run_stream.py train --profile edge --seed 1",
    )


def scores(network: ActionNetwork) -> torch.Tensor:
    torch.manual_seed(4)
    with torch.no_grad():
        outputs = network(
            torch.randn(2, 5, 10, network.config.part_features),
            torch.randn(2, 5, network.config.context_features),
            torch.rand(2, 5, 10) > 0.2,
            torch.full((2, 5), 0.08),
        )
    return outputs.action_logits


def rewritten(path: Path, **changes: str | None) -> Path:
    """Change metadata of a file; None removes an entry."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = {**file.metadata(), **changes}
    save_file(tensors, path, {name: text for name, text in metadata.items() if text is not None})
    return path


def network_with(**changes: object) -> str:
    return json.dumps({**dataclasses.asdict(SMALL), **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = tmp_path / "model.safetensors"
    save(made(), where)
    return where


def test_a_checkpoint_loads_without_any_other_file_and_gives_the_same_scores(tmp_path: Path) -> None:
    before = made()
    parts, context = SMALL.part_features, SMALL.context_features
    before.network.set_normalisation(
        torch.randn(10, parts), torch.rand(10, parts), torch.randn(context), torch.rand(context)
    )
    digest = save(before, tmp_path / "model.safetensors")
    after = load(tmp_path / "model.safetensors")
    saved, loaded = dict(before.network.named_buffers()), dict(after.network.named_buffers())
    saved |= dict(before.network.named_parameters())
    loaded |= dict(after.network.named_parameters())
    assert saved.keys() == loaded.keys() and after.network.config == before.network.config
    assert all(torch.equal(loaded[name], tensor) for name, tensor in saved.items())
    # The loaded tensors are aligned differently in memory, so matrix products may round differently.
    assert torch.allclose(scores(before.network), scores(after.network), rtol=0, atol=1e-6)
    assert after.vocabulary == before.vocabulary
    assert (after.profile, after.trained, after.language_model) == ("edge", True, "minilm")
    for field in ("smoothing", "metrics", "training_command"):
        assert getattr(after, field) == getattr(before, field)
    file = (tmp_path / "model.safetensors").read_bytes()
    assert after.sha256 == digest == f"sha256:{hashlib.sha256(file).hexdigest()}"
    assert not after.network.training and not any(weight.requires_grad for weight in after.network.parameters())


def test_saving_leaves_no_partial_file_and_reports_a_path_that_cannot_be_written(tmp_path: Path, path: Path) -> None:
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    with pytest.raises(CheckpointError, match="can't be written"):
        save(made(), path / "below" / "a-file.safetensors")


def test_a_missing_or_truncated_file_is_rejected_by_name(tmp_path: Path, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    for wrong in (tmp_path / "nowhere.safetensors", path):
        with pytest.raises(CheckpointError, match=wrong.name):
            load(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "partstream.checkpoint/9"}, "this version reads"),
        ({"vocabulary": None}, "the metadata lacks 'vocabulary'"),
        ({"network": json.dumps({"depth": 3})}, r"unknown fields \['depth'\]"),
        ({"network": network_with(state_hidden=9)}, "don't fit"),
        ({"network": network_with(action_kernel=2.5)}, "network: .*int.*action_kernel"),
        ({"metrics": "["}, "metrics: is not JSON"),
        ({"geometry_version": "0"}, "keypoint geometry 0 .* train it again"),
        ({"smoothing": '{"onset": {"fly": 0.5}}'}, "smoothing: `onset` names 'fly', not an action"),
        ({"metrics": json.dumps({"config": {"data": {"window": 1}}})}, "config.data.window is 1"),
    ],
)
def test_an_inconsistent_checkpoint_is_rejected_with_the_reason(
    path: Path, changes: dict[str, str | None], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message) as error:
        load(rewritten(path, **changes))
    assert str(path) in str(error.value)


def test_experimental_actions_are_saved_and_an_older_checkpoint_has_none(path: Path) -> None:
    assert load(rewritten(path, experimental=None)).experimental == summary(str(path)).experimental == ()
    save(replace(made(), experimental=("carry", "push_up")), path)
    found = summary(str(path))
    assert load(path).experimental == found.experimental == ("carry", "push_up")
    assert str(found).endswith("; experimental actions: carry, push_up")
    for wrong in ("3", "null", '{"carry": 1}', '["fly"]', "["):
        rewritten(path, experimental=wrong)
        with pytest.raises(WeightsError, match=r"damaged .*experimental: "):
            summary(str(path))


def test_a_checkpoint_has_the_window_that_its_training_run_recorded(path: Path) -> None:
    assert load(path).window is None
    assert load(rewritten(path, metrics=json.dumps({"config": {"data": {"window": 40}}}))).window == 40
    assert (load_checkpoint("edge").window or 0) > 1
