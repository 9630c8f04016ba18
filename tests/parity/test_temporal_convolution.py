"""The temporal convolution before the action LSTM: streaming equals whole sequences, and it begins neutral."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ring_buffers.state_bank import TrackKey
from ring_buffers.window import ContinuousWindow, StaggeredWindow
from stages.heads.action_lstm import ActionLSTM
from stages.heads.action_states import ActionStates, WaveStep
from stages.heads.network import ActionNetwork, NetworkConfig
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
