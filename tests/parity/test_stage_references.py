"""Every learned stage agrees with a plain loop in float64: max|a - b| <= 1e-5 max|b|."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ring_buffers.state_bank import TrackKey
from ring_buffers.window import StaggeredWindow
from stages.heads.action_states import ActionStates, WaveStep
from stages.heads.network import ActionNetwork, NetworkConfig, VisualInput
from stages.vocabulary import packaged
from support.models.plain_stages import agree, plain_actions, plain_outputs, weights
from support.models.scripted_people import random_checkpoint

PEOPLE = 5


@pytest.fixture(scope="module")
def network() -> ActionNetwork:
    network = random_checkpoint(seed=5).network
    torch.manual_seed(6)
    network.part_graph.absent.normal_()
    config = network.config
    network.set_normalisation(
        torch.randn(10, config.part_features),
        torch.rand(10, config.part_features) + 0.5,
        torch.randn(config.context_features),
        torch.rand(config.context_features) + 0.5,
    )
    return network


@pytest.fixture(scope="module")
def inputs(network: ActionNetwork) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(7)
    config = network.config
    return (
        torch.randn(PEOPLE, 10, config.part_features),
        torch.randn(PEOPLE, config.context_features),
        torch.rand(PEOPLE, 10) > 0.3,
    )


def test_relevance_states_priors_and_part_graph_agree_with_plain_loops(
    network: ActionNetwork, inputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> None:
    expected = plain_outputs(network, inputs)
    with torch.inference_mode():
        outputs = network.forward_step(*inputs)
        prior = network.language_priors(outputs.states)
    agree(outputs.relevance, expected["relevance"])
    agree(outputs.states, expected["states"])
    agree(prior, expected["prior"])
    agree(outputs.graph, expected["graph"])
    agree(outputs.frame_logits, expected["frame"])


def test_an_absent_part_has_no_relevance_and_no_states_and_its_features_have_no_effect(
    network: ActionNetwork, inputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> None:
    parts, context, present = inputs
    with torch.inference_mode():
        outputs = network.forward_step(*inputs)
        other = network.forward_step(torch.where(present[..., None], parts, torch.randn_like(parts)), context, present)
    assert outputs.relevance[~present].abs().max() == 0 and outputs.states[~present].abs().max() == 0
    assert torch.allclose(outputs.graph, other.graph, atol=1e-6)


def test_features_of_absent_parts_have_no_effect_on_the_person_embedding() -> None:
    torch.manual_seed(8)
    config = NetworkConfig(language=False, person_hidden=12)
    network = ActionNetwork(config, packaged("edge"), None).eval()
    parts, context = torch.randn(6, 10, config.part_features), torch.randn(6, config.context_features)
    present = torch.rand(6, 10) > 0.4
    broken = torch.where(present[..., None], parts, torch.nan)
    with torch.inference_mode():
        assert torch.equal(
            network.forward_step(parts, context, present).graph, network.forward_step(broken, context, present).graph
        )


def test_a_part_with_relevance_0_has_no_effect_on_the_graph_state() -> None:
    torch.manual_seed(9)
    config = NetworkConfig(language=False, person_hidden=12)
    network = ActionNetwork(config, packaged("edge"), None).eval().requires_grad_(False)
    network.part_relevance.second.bias[3] = -1e4
    parts, context = torch.randn(6, 10, config.part_features), torch.randn(6, config.context_features)
    present = torch.ones(6, 10, dtype=torch.bool)
    other = parts.clone()
    other[:, 3] = torch.randn(6, config.part_features)
    before, after = (network.forward_step(given, context, present) for given in (parts, other))
    assert before.relevance[:, 3].max() == 0
    assert torch.equal(before.graph, after.graph)


def test_padding_and_other_people_have_no_effect(
    network: ActionNetwork, inputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> None:
    padded = [torch.cat((tensor, torch.zeros_like(tensor[:1]).expand(3, *tensor.shape[1:]))) for tensor in inputs]
    with torch.inference_mode():
        alone, together = network.forward_step(*inputs), network.forward_step(*padded)
    agree(together.graph[:PEOPLE], alone.graph.double().numpy())


@pytest.mark.parametrize("visual", [False, True])
def test_marked_padding_changes_no_output_of_a_real_step_and_no_gradient(visual: bool) -> None:
    sizes = {"visual": True, "visual_features": 12, "object_regions": (0, 1) * 5} if visual else {}
    config, rng = NetworkConfig(language=False, **sizes), torch.Generator().manual_seed(9)
    network = ActionNetwork(config, packaged("edge"), None).eval()
    lengths = torch.tensor([6, 1, 4])
    real = torch.arange(6) < lengths[:, None]
    parts, context, dt = (
        torch.randn(3, 6, *shape, generator=rng)
        for shape in ((10, config.part_features), (config.context_features,), ())
    )
    present = torch.rand(3, 6, 10, generator=rng) > 0.3
    regions = None
    if visual:
        shapes = ((10, config.visual_features), (config.object_region_count, config.visual_features))
        regions = VisualInput(*(torch.randn(18, *shape, generator=rng) for shape in shapes))
    found: list[list[torch.Tensor]] = []
    for marked in (None, real):
        network.zero_grad()
        outputs = network(parts, context, present, dt.abs(), regions, marked)
        sum(tensor[real].square().sum() for tensor in outputs).backward()
        found.append([tensor[real].detach() for tensor in outputs])
        found[-1] += [one.grad.clone() for one in network.parameters() if one.grad is not None]
    for plain, skipped in zip(*found, strict=True):
        agree(skipped, plain.double().numpy())


def test_the_action_lstm_over_a_sequence_agrees_with_a_plain_loop(network: ActionNetwork) -> None:
    rng = np.random.default_rng(8)
    graph = rng.normal(size=(3, 20, network.config.graph_hidden)).astype(np.float32)
    dt = rng.uniform(-0.1, 3, (3, 20)).astype(np.float32)
    dt[:, 0] = 0
    with torch.inference_mode():
        found = network.action_lstm(torch.from_numpy(graph), torch.from_numpy(dt))
    expected = [plain_actions(network, graph[n].astype(np.float64), dt[n].astype(np.float64)) for n in range(3)]
    agree(found, np.stack(expected))


@pytest.mark.parametrize("mode", ["staggered", "exact"])
def test_steps_agree_with_a_plain_loop_over_the_steps_of_the_answering_state(network: ActionNetwork, mode: str) -> None:
    window, steps, people = 8, 30, 3
    states = ActionStates(network.action_lstm, 4, window, mode, torch.device("cpu"))  # pyright: ignore[reportArgumentType]
    rng = np.random.default_rng(9)
    graph = rng.normal(size=(people, steps, network.config.graph_hidden)).astype(np.float32)
    gaps = rng.integers(79_000, 2_500_000, (people, steps))
    times = gaps.cumsum(1)
    for n in range(steps):
        with torch.inference_mode():
            embedded = network.action_lstm.embed(torch.from_numpy(graph[:, n]))
            wave = [WaveStep(TrackKey("hall", 1, row), int(times[row, n]), row) for row in range(people)]
            [(logits, group)] = states.waves(embedded, [wave], lambda key: None)
        assert [step.row for step in group] == [0, 1, 2] and len(logits) == 4  # padded to a power of two
        seen = StaggeredWindow(window).plan(n).seen
        for row in range(people):
            dt = gaps[row, n + 1 - seen : n + 1] * 1e-6
            dt[0] = 0
            expected = plain_actions(network, graph[row, n + 1 - seen : n + 1].astype(np.float64), dt)[-1]
            agree(logits[row], expected)


def test_training_and_streaming_give_the_same_outputs(network: ActionNetwork) -> None:
    torch.manual_seed(10)
    config = network.config
    parts = torch.randn(2, 6, 10, config.part_features)
    context, present = torch.randn(2, 6, config.context_features), torch.rand(2, 6, 10) > 0.2
    dt = torch.full((2, 6), 0.08)
    dt[:, 0] = 0
    with torch.no_grad():
        sequence = network(parts, context, present, dt)
    with torch.inference_mode():
        for n in range(6):
            outputs = network.forward_step(parts[:, n], context[:, n], present[:, n])
            agree(outputs.frame_logits, sequence.frame_logits[:, n].double().numpy())
            agree(outputs.state_logits, sequence.state_logits[:, n].double().numpy())


def test_folded_language_priors_follow_the_weights(network: ActionNetwork) -> None:
    priors = random_checkpoint(seed=5).network.language_priors
    probabilities = torch.rand(2, 10, priors.table.shape[1])
    with torch.inference_mode():
        before = priors(probabilities)
    changed = {name: tensor * 2 for name, tensor in priors.state_dict().items()}
    priors.load_state_dict(changed)
    with torch.inference_mode():
        after = priors(probabilities)
    assert torch.allclose(after - priors.resize.bias, 4 * (before - priors.resize.bias / 2), rtol=1e-4, atol=1e-5)
    priors.train()
    assert priors(probabilities).requires_grad is False  # the checkpoint is frozen
    priors.requires_grad_(True)
    assert priors(probabilities).requires_grad


def test_each_part_gets_the_features_of_its_own_region_and_of_its_object_region() -> None:
    vocabulary = packaged("edge")
    # Arms and hands use the region around their own hand, all other parts the whole frame.
    regions = (2, 0, 1, 0, 1, 2, 2, 2, 2, 2)
    config = NetworkConfig(visual=True, visual_features=20, visual_hidden=8, object_regions=regions)
    torch.manual_seed(11)
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).eval()
    parts = torch.randn(2, 10, config.part_features)
    context, present = torch.randn(2, config.context_features), torch.ones(2, 10, dtype=torch.bool)
    visual = VisualInput(torch.randn(2, 10, 20), torch.randn(2, 3, 20))
    w = weights(network)
    with torch.inference_mode():
        part, thing = network.inputs(parts, context, visual)
        base = network.forward_step(parts, context, present, visual)
    for row in range(10):
        seen = w["embed_part.weight"] @ visual.parts[0, row].double().numpy() + w["embed_part.bias"]
        held = w["embed_object.weight"] @ visual.objects[0, regions[row]].double().numpy() + w["embed_object.bias"]
        agree(part[0, row, config.part_features :], np.maximum(seen, 0))
        agree(thing[0, row, config.context_features :], np.maximum(held, 0))

    moved = VisualInput(visual.parts, visual.objects.clone())
    moved.objects[:, 1] += 3  # at the right hand
    with torch.inference_mode():
        changed = network.forward_step(parts, context, present, moved)
    differs = (changed.relevance - base.relevance).abs().amax(0) > 1e-6
    assert differs.tolist() == [region == 1 for region in regions]
    with pytest.raises(ValueError, match="but got none"):
        network.forward_step(parts, context, present)


def test_an_inconsistent_network_is_rejected() -> None:
    with pytest.raises(ValueError, match="set together"):
        NetworkConfig(visual=True)
    vocabulary = packaged("edge")
    states = len(vocabulary.states)
    with pytest.raises(ValueError, match="a region for each part"):
        ActionNetwork(NetworkConfig(visual=True, visual_features=4), vocabulary, torch.zeros(10, states, 3))
    with pytest.raises(ValueError, match="priors are for"):
        ActionNetwork(NetworkConfig(), vocabulary, torch.zeros(9, states, 3))
