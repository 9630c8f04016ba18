"""The temporal convolution before the action LSTM: streaming equals whole sequences, and it begins neutral."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ring_buffers.state_bank import TrackKey
from ring_buffers.window import ContinuousWindow, StaggeredWindow
from stages.heads.action_lstm import ActionLSTM
from stages.heads.action_states import ActionStates, WaveStep
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.heads.temporal_convolution import TemporalConvolution
from stages.settings import WindowMode
from stages.vocabulary import packaged
from support.examples import examples
from training.run.learning.warm_start import begin_from

GRAPH = 6
SMALL = NetworkConfig(
    relevance_hidden=6, state_hidden=10, prior_hidden=7, graph_hidden=9, action_width=8, action_hidden=8
)


def lstm_with(kernel: int, layers: int = 1) -> ActionLSTM:
    torch.manual_seed(kernel)
    lstm = ActionLSTM(GRAPH, 7, 8, layers, 5, kernel)
    if lstm.convolution is not None:
        torch.nn.init.normal_(lstm.convolution.weigh.weight, std=0.3)
        torch.nn.init.normal_(lstm.convolution.weigh.bias)
    return lstm.eval().requires_grad_(False)


def small_network(config: NetworkConfig, seed: int = 0) -> ActionNetwork:
    torch.manual_seed(seed)
    vocabulary = packaged("edge")
    return ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12))


def inputs(sequences: int, steps: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    dt = torch.rand(sequences, steps)
    dt[:, 0] = 0
    return (
        torch.randn(sequences, steps, 10, SMALL.part_features),
        torch.randn(sequences, steps, SMALL.context_features),
        torch.rand(sequences, steps, 10) > 0.2,
        dt,
    )


@settings(max_examples=examples(12), deadline=None)
@given(
    kernel=st.integers(2, 6),
    window=st.integers(2, 12),
    mode=st.sampled_from(["staggered", "exact", "continuous"]),
    layers=st.integers(1, 2),
    seed=st.integers(0, 2**16),
)
def test_streaming_equals_whole_sequences_over_the_steps_of_the_answering_state(
    kernel: int, window: int, mode: WindowMode, layers: int, seed: int
) -> None:
    lstm = lstm_with(kernel, layers)
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
        graph = torch.from_numpy(rng.normal(size=(len(wave), GRAPH)).astype(np.float32))
        [(logits, _)] = states.waves(lstm.embed(graph), [wave], lambda key: None)
        history = {key: steps for key, steps in history.items() if key in states.bank}
        for row, step in enumerate(wave):
            steps = history.setdefault(step.key, [])
            steps.append((now, graph[row]))
            seen = steps[-plan.plan(len(steps) - 1).seen :]
            times = torch.tensor([time for time, _ in seen], dtype=torch.float64)
            dt = torch.cat((torch.zeros(1), times.diff().float() * 1e-6))
            expected = lstm(torch.stack([graph for _, graph in seen])[None], dt[None])[0, -1]
            assert float((logits[row] - expected).abs().max()) <= 1e-5 * max(1, float(expected.abs().max()))


def test_a_convolution_weighs_the_last_steps_and_their_times_and_no_later_ones() -> None:
    convolution = TemporalConvolution(width=2, kernel=3)
    with torch.no_grad():
        # Output 0 adds the first input of two steps before; output 1 the time of the step before.
        convolution.weigh.weight[0, 0] = 1
        convolution.weigh.weight[1, 3 + 2] = 10
    timed = torch.tensor([[0, 0, 0], [0, 0, 0], [1, 5, 0.1], [2, 6, 0.2], [3, 7, 0.3], [4, 8, 0.4]])[:, None]
    found = convolution(timed)[:, 0]
    assert torch.equal(found[:, 2], timed[2:, 0, 2])
    weighed = torch.tensor([[0.0, 0.0], [0, 1], [1, 2], [2, 3]])
    torch.testing.assert_close(found[:, :2], timed[2:, 0, :2] + weighed * weighed.sigmoid())


def test_invalid_numbers_of_another_person_or_before_a_reset_have_no_effect() -> None:
    lstm = lstm_with(4)
    embedded, dt = lstm.embed(torch.randn(2, GRAPH)), torch.full((2, 2), 0.1)
    states = tuple(torch.randn(2, *state.shape) for state in lstm.blank(2))
    reset = torch.tensor([[False, True], [False, True]])  # both states of the second person
    damaged = tuple(state.clone() for state in states)
    for state in damaged:
        state[:, :, 1] = torch.nan
    answer = torch.tensor([0, 1])
    clean, repaired = (lstm.step(embedded, dt, reset, each, answer)[0] for each in (states, damaged))
    assert torch.isfinite(clean).all() and torch.equal(clean, repaired)


def test_a_new_convolution_gives_the_scores_of_the_network_that_it_starts_from() -> None:
    before = small_network(SMALL, seed=1)
    after = small_network(replace(SMALL, action_kernel=5), seed=2)
    after.part_graph.absent.data.normal_()
    fresh = begin_from(after, before)
    assert fresh == ["action_lstm.convolution.weigh.weight", "action_lstm.convolution.weigh.bias"]
    after.language_priors.table.copy_(before.language_priors.table)
    given = inputs(3, 9)
    with torch.no_grad():
        assert torch.equal(before.eval()(*given).action_logits, after.eval()(*given).action_logits)


def test_all_weights_of_a_convolution_learn_from_the_last_step() -> None:
    network = small_network(replace(SMALL, action_kernel=4)).train()
    network.part_graph.absent.data.normal_()
    network.part_graph.lstm.weight_ih_l0.data.normal_()  # so that graph states differ
    outputs = network(*inputs(16, 6))
    outputs.action_logits[:, -1].square().sum().backward()
    convolution = network.action_lstm.convolution
    assert isinstance(convolution, TemporalConvolution)
    gradient = convolution.weigh.weight.grad
    assert gradient is not None
    # Every output learns from every step's inputs and from its time.
    assert (gradient.view(8, 4, 9).abs().amax(2) > 0).all() and (gradient.view(8, 4, 9)[..., 8].abs() > 0).all()


@pytest.mark.parametrize("kernel", [1, 3])
def test_the_bank_keeps_the_inputs_of_the_last_steps_only_with_a_convolution(kernel: int) -> None:
    lstm = lstm_with(kernel)
    states = ActionStates(lstm, 4, 8, "staggered", torch.device("cpu"))
    numbers = 2 * 5 * (2 * 8 + (kernel - 1) * 8)
    assert states.bank.nbytes == 4 * numbers
    assert len(states.bank.gather(states.bank.indices([0]))) == (3 if kernel > 1 else 2)
