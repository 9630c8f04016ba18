"""Every learned stage, and networks without one of them, agree with plain loops: max|a - b| <= 1e-5 max|b|."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ring_buffers.state_bank import TrackKey
from ring_buffers.window import ContinuousWindow, StaggeredWindow
from stages.checkpoint import Checkpoint, load, save
from stages.heads.action_lstm import ActionLSTM
from stages.heads.action_states import ActionStates, WaveStep
from stages.heads.network import ActionNetwork, NetworkConfig, SequenceOutputs, VisualInput
from stages.region_features.roi_features import RoiConfig
from stages.region_features.step_features import object_regions_of
from stages.settings import WindowMode
from stages.vocabulary import packaged
from support.examples import examples
from support.models.plain_stages import agree, plain_actions, plain_outputs
from support.models.seeing_checkpoints import SEEING, SMALL
from training.run.learning.warm_start import begin_from

PEOPLE, STEPS = 3, 6
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


def fresh(config: NetworkConfig, seed: int = 1) -> ActionNetwork:
    torch.manual_seed(seed)
    vocabulary = packaged("edge")
    return ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).eval()


def made(config: NetworkConfig) -> ActionNetwork:
    """Return a network with random weights, vectors of absent parts and normalisation, so that none is neutral."""
    network = fresh(config)
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
    return network


def inputs(config: NetworkConfig, *leading: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return random parts, context and presence."""
    torch.manual_seed(2)
    return (
        torch.randn(*leading, 10, config.part_features),
        torch.randn(*leading, config.context_features),
        torch.rand(*leading, 10) > 0.25,
    )


def shown(config: NetworkConfig, people: int) -> VisualInput | None:
    """Return random RoI features if the network uses them."""
    if not config.visual:
        return None
    torch.manual_seed(3)
    parts = 10 if config.visual_regions == "all" else 0
    features = config.visual_features
    return VisualInput(torch.randn(people, parts, features), torch.randn(people, config.object_region_count, features))


def times(*shape: int) -> torch.Tensor:
    """Return seconds since the step before, some of them beyond the range that the network tells apart."""
    torch.manual_seed(4)
    dt = torch.rand(*shape) * 3 - 0.1
    dt[:, 0] = 0
    return dt


def outputs_of(network: ActionNetwork, real: torch.Tensor | None = None) -> SequenceOutputs:
    config = network.config
    regions = shown(config, PEOPLE * STEPS)
    return network(*inputs(config, PEOPLE, STEPS), times(PEOPLE, STEPS), regions, real)


@every_config
def test_each_stage_agrees_with_plain_loops(config: NetworkConfig) -> None:
    network = made(config).requires_grad_(False)
    given, visual = inputs(config, PEOPLE, STEPS), shown(config, PEOPLE * STEPS)
    flat = tuple(tensor.flatten(0, 1) for tensor in given)
    expected = plain_outputs(network, flat, visual)
    outputs = network.forward_step(*flat, visual)
    if config.language:
        agree(network.language_priors(outputs.states), expected["prior"])
    for found, name in ((outputs.relevance, "relevance"), (outputs.states, "states"), (outputs.graph, "graph")):
        agree(found, expected[name])
    agree(outputs.frame_logits, expected["frame"])
    graph, dt = expected["graph"].reshape(PEOPLE, STEPS, -1), times(PEOPLE, STEPS).double().numpy()
    actions = [plain_actions(network, graph[row], dt[row]) for row in range(PEOPLE)]
    agree(outputs_of(network).action_logits, np.stack(actions))


@every_config
def test_a_checkpoint_preserves_the_switches(config: NetworkConfig, tmp_path: Path) -> None:
    before = made(config)
    save(Checkpoint(before, "edge", True, "minilm"), tmp_path / "model.safetensors")
    after = load(tmp_path / "model.safetensors").network
    assert after.config == config and RoiConfig.of(after.config).strides == config.visual_strides
    for mine, theirs in zip(outputs_of(before), outputs_of(after), strict=True):
        agree(theirs, mine.detach().double().numpy())


@pytest.mark.parametrize("config", [CONFIGS["no-language"], replace(SEEING, language=False)], ids=["", "seeing"])
def test_marked_padding_changes_no_output_of_a_real_step_and_no_gradient(config: NetworkConfig) -> None:
    network = made(config)
    real = torch.arange(STEPS) < torch.tensor([6, 1, 4])[:, None]
    found: list[list[torch.Tensor]] = []
    for marked in (None, real):
        network.zero_grad()
        outputs = outputs_of(network, marked)
        sum(tensor[real].square().sum() for tensor in outputs).backward()
        found.append([tensor[real].detach() for tensor in outputs])
        found[-1] += [one.grad.clone() for one in network.parameters() if one.grad is not None]
    for plain, skipped in zip(*found, strict=True):
        agree(skipped, plain.double().numpy())


@settings(max_examples=examples(16), deadline=None)
@given(
    kernel=st.integers(1, 6),
    window=st.integers(2, 12),
    mode=st.sampled_from(["staggered", "exact", "continuous"]),
    layers=st.integers(1, 2),
    seed=st.integers(0, 2**16),
)
def test_streaming_equals_whole_sequences_over_the_steps_of_the_answering_state(
    kernel: int, window: int, mode: WindowMode, layers: int, seed: int
) -> None:
    torch.manual_seed(kernel)
    lstm = ActionLSTM(6, 7, 8, layers, 5, kernel).eval().requires_grad_(False)
    if lstm.convolution is not None:
        torch.nn.init.normal_(lstm.convolution.weigh.weight, std=0.3)
        torch.nn.init.normal_(lstm.convolution.weigh.bias)
    rng = np.random.default_rng(seed)
    # Three slots for four people: some are evicted, and begin from nothing when they come back, as after `release`.
    states = ActionStates(lstm, 3, window, mode, torch.device("cpu"))
    plan = ContinuousWindow() if mode == "continuous" else StaggeredWindow(window)
    history: dict[TrackKey, list[tuple[int, torch.Tensor]]] = {}
    now = 0
    for _ in range(30):
        now += int(rng.integers(30_000, 2_500_000))
        people = rng.permutation(4)[: rng.integers(1, 4)]
        wave = [WaveStep(TrackKey("hall", 1, int(person)), now, row) for row, person in enumerate(people)]
        for key in list(history):
            if rng.random() < 0.05:
                states.release(key)
                del history[key]
        graph = torch.from_numpy(rng.normal(size=(len(wave), 6)).astype(np.float32))
        [(logits, group)] = states.waves(lstm.embed(graph), [wave], lambda key: None)
        assert [step.row for step in group] == [*range(len(wave))]
        history = {key: steps for key, steps in history.items() if key in states.bank}
        for row, step in enumerate(wave):
            steps = history.setdefault(step.key, [])
            steps.append((now, graph[row]))
            seen = steps[-plan.plan(len(steps) - 1).seen :]
            at = torch.tensor([time for time, _ in seen], dtype=torch.float64)
            dt = torch.cat((torch.zeros(1), at.diff().float() * 1e-6))
            expected = lstm(torch.stack([graph for _, graph in seen])[None], dt[None])[0, -1]
            assert float((logits[row] - expected).abs().max()) <= 1e-5 * max(1, float(expected.abs().max()))


def test_a_new_convolution_gives_the_scores_of_the_network_that_it_starts_from() -> None:
    before, after = fresh(SMALL, seed=1), fresh(replace(SMALL, action_kernel=5), seed=2)
    assert begin_from(after, before) == ["action_lstm.convolution.weigh.weight", "action_lstm.convolution.weigh.bias"]
    after.language_priors.table.copy_(before.language_priors.table)
    assert torch.equal(outputs_of(before).action_logits, outputs_of(after).action_logits)


def test_with_the_reports_sizes_every_layer_has_the_reports_shape() -> None:
    sizes = ("relevance_hidden", "state_hidden", "prior_hidden", "graph_hidden", "action_width", "action_hidden")
    config = NetworkConfig(
        part_features=0,
        context_features=0,
        geometry=False,
        visual=True,
        visual_features=4096,
        visual_hidden=0,
        object_regions=object_regions_of(10),
        **dict.fromkeys(sizes, 512),
    )
    vocabulary = packaged("edge")
    states, actions = len(vocabulary.states), len(vocabulary.actions)
    with torch.device("meta"):
        network = ActionNetwork(config, vocabulary, torch.zeros(10, states, 2304))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    wanted = {
        "part_relevance.first.weight": (10, 4096 + 4096, 512),
        "part_relevance.second.weight": (10, 512, 1),
        "part_states.first.weight": (10, 4096 + 4096, 512),
        "part_states.second.weight": (10, 512, 512),
        "part_states.scores.weight": (10, 512, states),
        "language_priors.resize.weight": (512, 2304),
        "part_graph.lstm.weight_ih_l0": (4 * 512, 512 + 512),
        "frame_scores.weight": (actions, 512),
        "action_lstm.lstm.weight_hh_l0": (4 * 512, 512),
        "action_lstm.scores.weight": (actions, 512),
    }
    assert {name: shapes[name] for name in wanted} == wanted
    assert network.part_states.dropout.p == 0.5
