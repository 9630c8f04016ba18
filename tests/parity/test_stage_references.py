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
from support.models.plain_stages import agree, plain_actions
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


def test_an_absent_part_has_no_relevance_and_no_states_and_its_features_have_no_effect(
    network: ActionNetwork, inputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> None:
    parts, context, present = inputs
    with torch.inference_mode():
        outputs = network.forward_step(*inputs)
        other = network.forward_step(torch.where(present[..., None], parts, torch.randn_like(parts)), context, present)
    assert outputs.relevance[~present].abs().max() == 0 and outputs.states[~present].abs().max() == 0
    assert torch.allclose(outputs.graph, other.graph, atol=1e-6)


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
