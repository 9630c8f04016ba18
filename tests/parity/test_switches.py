"""Every learned stage, and networks without one of them, agree with plain loops: max|a - b| <= 1e-5 max|b|."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.checkpoint import Checkpoint, load, save
from stages.heads.network import ActionNetwork, NetworkConfig, SequenceOutputs, VisualInput
from stages.region_features.roi_features import RoiConfig
from stages.vocabulary import packaged
from support.models.plain_stages import agree, plain_actions, plain_outputs
from support.models.seeing_checkpoints import SEEING, SMALL

PEOPLE, STEPS = 3, 4
CONFIGS = {
    "whole": SMALL,
    "seeing": SEEING,
    "objects-only": replace(SEEING, visual_regions="objects"),
    "no-gates": replace(SMALL, relevance_gates=False),
    "no-language": replace(SMALL, language=False),
    "mean-of-parts": replace(SMALL, graph="mean"),
    "person-embedding": replace(SMALL, person_hidden=7),
    "person-embedding-and-regions": replace(SEEING, person_hidden=7, graph="mean"),
    "single-frames": replace(SMALL, temporal=False),
    "convolution": replace(SMALL, action_kernel=3),
    "three-heads": replace(SMALL, posture_actions=("stand", "lie"), movement_actions=("walk", "fall", "jump")),
    "three-heads-of-single-frames": replace(SMALL, posture_actions=("sit",), temporal=False),
    "no-geometry": replace(SEEING, geometry=False),
    "report": replace(
        SEEING, part_features=0, context_features=0, geometry=False, visual_hidden=0, object_regions=(0,) * 10
    ),
    "hardly-anything": replace(
        SEEING, geometry=False, relevance_gates=False, language=False, graph="mean", temporal=False
    ),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))


def made(config: NetworkConfig) -> ActionNetwork:
    """Return a network with random weights, vectors of absent parts and normalisation, so that none is neutral."""
    torch.manual_seed(1)
    vocabulary = packaged("edge")
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).eval()
    parts, context = config.part_features, config.context_features
    network.set_normalisation(
        torch.randn(10, parts), torch.rand(10, parts) + 0.5, torch.randn(context), torch.rand(context) + 0.5
    )
    if config.visual:
        network.set_visual_normalisation(torch.randn(config.visual_features), torch.rand(config.visual_features) + 0.5)
    torch.nn.init.normal_(network.part_graph.absent)
    if config.action_kernel > 1:
        torch.nn.init.normal_(network.action_lstm.convolution.weigh.weight, std=0.3)
        torch.nn.init.normal_(network.action_lstm.convolution.weigh.bias)
    if config.posture_actions:
        torch.nn.init.normal_(network.frame_scores.shift)
        if config.temporal:
            torch.nn.init.normal_(network.action_lstm.scores.shift)
    network.action_lstm.temperature.fill_(1.5)
    return network.requires_grad_(False)


def given(config: NetworkConfig, *leading: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return random parts, context and presence."""
    torch.manual_seed(2)
    return (
        torch.randn(*leading, 10, config.part_features),
        torch.randn(*leading, config.context_features),
        torch.rand(*leading, 10) > 0.25,
    )


def shown(config: NetworkConfig, people: int, known: torch.Tensor | None = None) -> VisualInput | None:
    """Return random RoI features if the network uses them."""
    if not config.visual:
        return None
    torch.manual_seed(3)
    parts = 10 if config.visual_regions == "all" else 0
    features = config.visual_features
    return VisualInput(
        torch.randn(people, parts, features), torch.randn(people, config.object_region_count, features), known
    )


def sequence_outputs(network: ActionNetwork) -> SequenceOutputs:
    dt = torch.full((PEOPLE, STEPS), 0.08)
    dt[:, 0] = 0
    with torch.inference_mode():
        return network(*given(network.config, PEOPLE, STEPS), dt, shown(network.config, PEOPLE * STEPS))


@every_config
def test_a_step_agrees_with_plain_loops(config: NetworkConfig) -> None:
    network, inputs, visual = made(config), given(config, PEOPLE), shown(config, PEOPLE)
    expected = plain_outputs(network, inputs, visual)
    with torch.inference_mode():
        outputs = network.forward_step(*inputs, visual)
        if config.language:
            agree(network.language_priors(outputs.states), expected["prior"])
    for found, name in ((outputs.relevance, "relevance"), (outputs.states, "states"), (outputs.graph, "graph")):
        agree(found, expected[name])
    agree(outputs.frame_logits, expected["frame"])


@every_config
def test_actions_over_a_sequence_agree_with_plain_loops(config: NetworkConfig) -> None:
    network = made(config)
    inputs = [tensor.flatten(0, 1) for tensor in given(config, PEOPLE, STEPS)]
    graph = plain_outputs(network, tuple(inputs), shown(config, PEOPLE * STEPS))["graph"]
    dt = np.array([0, *[0.08] * (STEPS - 1)])
    expected = [plain_actions(network, graph.reshape(PEOPLE, STEPS, -1)[row], dt) for row in range(PEOPLE)]
    agree(sequence_outputs(network).action_logits, np.stack(expected))


@every_config
def test_a_checkpoint_preserves_the_switches(config: NetworkConfig, tmp_path: Path) -> None:
    before = made(config)
    save(Checkpoint(before, "edge", True, "minilm"), tmp_path / "model.safetensors")
    after = load(tmp_path / "model.safetensors").network
    assert after.config == config and RoiConfig.of(after.config).strides == config.visual_strides
    for mine, theirs in zip(sequence_outputs(before), sequence_outputs(after), strict=True):
        assert torch.equal(mine, theirs)
