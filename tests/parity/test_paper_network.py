"""The report's network, which uses only RoI features and no embedding, agrees with plain loops in float64."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.checkpoint import Checkpoint, load, save
from stages.heads.network import ActionNetwork, NetworkConfig, VisualInput
from stages.region_features.step_features import object_regions_of
from stages.vocabulary import Vocabulary, packaged
from support.models.plain_stages import agree, plain_actions, plain_outputs

PEOPLE, STEPS = 3, 5
PAPER = NetworkConfig(
    part_features=0,
    context_features=0,
    geometry=False,
    visual=True,
    visual_features=4096,
    visual_hidden=0,
    object_regions=object_regions_of(10),
    relevance_hidden=512,
    state_hidden=512,
    dropout=0.5,
    prior_hidden=512,
    graph_hidden=512,
    action_width=512,
    action_hidden=512,
)
"""METHOD's sizes: VGG-16's fc7 of a part and of its object, hidden layers, part graph and action LSTM of 512."""
NARROW = replace(
    PAPER,
    visual_features=40,
    relevance_hidden=12,
    state_hidden=14,
    prior_hidden=9,
    graph_hidden=11,
    action_width=10,
    action_hidden=13,
)
CONFIGS = {
    "as-they-are": NARROW,
    "embedded": replace(NARROW, visual_hidden=6),
    "two-objects": replace(NARROW, object_regions=(0, 1, 0, 1, 0, 0, 0, 0, 1, 1)),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))


def made(config: NetworkConfig, prior_width: int = 2304) -> ActionNetwork:
    """Return a network with distinct parts, varying scores and normalised features."""
    vocabulary = packaged("edge")
    torch.manual_seed(21)
    mask = torch.from_numpy(vocabulary.mask())
    network = ActionNetwork(config, vocabulary, torch.randn(*mask.shape, prior_width) * mask[..., None] * 0.1)
    network.set_visual_normalisation(torch.rand(config.visual_features), torch.rand(config.visual_features) + 0.5)
    with torch.no_grad():
        network.part_graph.absent.normal_()
        network.action_lstm.temperature.fill_(1.3)
        network.part_states.scores.weight.mul_(4)
    return network.eval().requires_grad_(False)


def given(config: NetworkConfig, people: int) -> tuple[tuple[torch.Tensor, torch.Tensor, torch.Tensor], VisualInput]:
    """Return inputs of `forward_step`: no geometry, and features like fc7's, not below 0; some parts are absent."""
    torch.manual_seed(22)
    parts = torch.relu(torch.randn(people, 10, config.visual_features))
    objects = torch.relu(torch.randn(people, config.object_region_count, config.visual_features))
    present = torch.rand(people, 10) > 0.4
    return (torch.zeros(people, 10, 0), torch.zeros(people, 0), present), VisualInput(parts, objects)


@every_config
def test_a_step_agrees_with_plain_loops(config: NetworkConfig) -> None:
    network = made(config)
    inputs, visual = given(config, PEOPLE)
    expected = plain_outputs(network, inputs, visual)
    with torch.inference_mode():
        outputs = network.forward_step(*inputs, visual)
        prior = network.language_priors(outputs.states)
    for found, name in ((outputs.relevance, "relevance"), (outputs.states, "states"), (prior, "prior")):
        agree(found, expected[name])
    agree(outputs.graph, expected["graph"])
    agree(outputs.frame_logits, expected["frame"])


@every_config
def test_actions_over_a_sequence_agree_with_plain_loops(config: NetworkConfig) -> None:
    network = made(config)
    inputs, visual = given(config, PEOPLE * STEPS)
    graph = plain_outputs(network, inputs, visual)["graph"].reshape(PEOPLE, STEPS, -1)
    dt = np.array([0, *[0.08] * (STEPS - 1)])
    with torch.inference_mode():
        parts, context, present = (tensor.unflatten(0, (PEOPLE, STEPS)) for tensor in inputs)
        found = network(parts, context, present, torch.from_numpy(dt).float().expand(PEOPLE, -1), visual)
    agree(found.action_logits, np.stack([plain_actions(network, graph[row], dt) for row in range(PEOPLE)]))


@every_config
def test_relevance_scales_the_part_feature_and_not_the_object_feature(config: NetworkConfig) -> None:
    network = made(config)
    inputs, visual = given(config, PEOPLE)
    with torch.inference_mode():
        part, thing = network.inputs(inputs[0], inputs[1], visual)
        relevance = torch.rand(PEOPLE, 10)
        gated = network.gate(part, relevance)
    assert part.shape == thing.shape == (PEOPLE, 10, config.visual_width)
    agree(gated, (part.double() * relevance.double()[..., None]).numpy())


@every_config
def test_a_checkpoint_without_geometry_is_loaded_unchanged(config: NetworkConfig, tmp_path: Path) -> None:
    before = made(config)
    save(Checkpoint(before, "kinetics-tps", True, "bert-base-uncased"), tmp_path / "model.safetensors")
    after = load(tmp_path / "model.safetensors").network
    inputs, visual = given(config, PEOPLE)
    assert after.config == config
    with torch.inference_mode():
        for mine, theirs in zip(before.forward_step(*inputs, visual), after.forward_step(*inputs, visual), strict=True):
            assert torch.equal(mine, theirs)


def test_with_the_reports_sizes_every_layer_has_the_reports_shape() -> None:
    vocabulary = packaged("edge")
    states, actions = len(vocabulary.states), len(vocabulary.actions)
    with torch.device("meta"):
        network = ActionNetwork(PAPER, vocabulary, torch.zeros(10, states, 2304))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    wanted: dict[str, Any] = {
        "part_relevance.first.weight": (10, 4096 + 4096, 512),
        "part_relevance.second.weight": (10, 512, 1),
        "part_states.first.weight": (10, 4096 + 4096, 512),
        "part_states.second.weight": (10, 512, 512),
        "part_states.scores.weight": (10, 512, states),
        "language_priors.table": (10, states, 2304),
        "language_priors.resize.weight": (512, 2304),
        "part_graph.lstm.weight_ih_l0": (4 * 512, 512 + 512),
        "part_graph.lstm.weight_hh_l0": (4 * 512, 512),
        "frame_scores.weight": (actions, 512),
        "action_lstm.lstm.weight_hh_l0": (4 * 512, 512),
        "action_lstm.scores.weight": (actions, 512),
    }
    assert {name: shapes[name] for name in wanted} == wanted
    assert not any(name.startswith("embed_") for name in shapes)
    assert network.part_states.dropout.p == 0.5


def test_a_part_has_only_the_states_of_the_vocabulary() -> None:
    small = Vocabulary(
        parts=("head", "left_hand"),
        states=packaged("edge").states[:3],
        states_of={"head": ("none", "turn"), "left_hand": ("none", "raise")},
        actions=("stand", "wave"),
    )
    config = replace(NARROW, object_regions=(0, 0))
    network = ActionNetwork(config, small, torch.zeros(2, 3, 12)).eval()
    with torch.inference_mode():
        outputs = network.forward_step(
            torch.zeros(1, 2, 0), torch.zeros(1, 0), torch.tensor([[True, True]]),
            VisualInput(torch.rand(1, 2, 40), torch.rand(1, 1, 40)),
        )  # fmt: skip
    assert (outputs.states[0] > 0).tolist() == [[True, True, False], [True, False, True]]


def test_a_negative_width_is_rejected() -> None:
    with pytest.raises(ValueError, match="`visual_hidden` is -1"):
        replace(NARROW, visual_hidden=-1)
