"""The configuration's switches of the model: what is left out has no weights, and all that is there learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stages.heads.network import ActionNetwork, VisualInput
from stages.vocabulary import packaged
from training.run.learning.training_run import network_sizes
from training.settings.run_config import ModelConfig

ABSENT: dict[str, tuple[dict[str, Any], str]] = {
    "blind": ({}, "embed_"),
    "no-person-embedding": ({}, "person_embedding"),
    "objects": ({"visual": "objects", "visual_bins": 1}, "embed_part"),
    "all": ({"visual": "all", "visual_strides": [16]}, "nothing"),
    "no-geometry": ({"visual": "all", "visual_strides": [16], "geometry": False}, "nothing"),
    "no-language": ({"language": False}, "language_priors"),
    "mean": ({"graph": "mean"}, "part_graph.lstm"),
    "single-frames": ({"temporal": False}, "action_lstm.lstm"),
    "convolution-and-three-heads": (
        {"action_kernel": 3, "posture_actions": ["stand", "sit"], "movement_actions": ["walk"]},
        "nothing",
    ),
    "person-embedding": ({"person_hidden": 12}, "nothing"),
    "person-embedding-and-objects": ({"person_hidden": 12, "visual": "objects", "visual_bins": 1}, "embed_part"),
    "no-gates": ({"relevance_gates": False}, "nothing"),
}


@pytest.mark.parametrize(("settings", "absent"), ABSENT.values(), ids=list(ABSENT))
def test_a_disabled_stage_has_no_weights_and_the_rest_learns(settings: dict[str, Any], absent: str) -> None:
    torch.manual_seed(0)
    vocabulary = packaged("edge")
    config = network_sizes(ModelConfig.model_validate(settings))
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 6))
    visual = None
    if config.visual:
        rows = torch.randn(6, 13, config.visual_features)
        visual = VisualInput(rows[:, :10], rows[:, 10:], torch.tensor([True, True, False] * 2))
    read = network(
        torch.randn(2, 3, 10, config.part_features),
        torch.randn(2, 3, config.context_features),
        torch.rand(2, 3, 10) > 0.2,
        torch.full((2, 3), 0.08),
        visual,
    )
    torch.stack([logits.square().mean() for logits in read]).sum().backward()
    names = [name for name, _ in network.named_parameters()]
    assert not any(name.startswith(absent) for name in names)
    still = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still == []
