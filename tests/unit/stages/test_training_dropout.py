"""Dropout of the action LSTM's inputs and of whole parts: in training only, and as configured."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stages.heads.network import ActionNetwork, NetworkConfig, SequenceOutputs
from stages.heads.part_layers import missed_parts
from stages.vocabulary import packaged

SMALL = NetworkConfig(
    relevance_hidden=6, state_hidden=10, prior_hidden=7, graph_hidden=9, action_width=8, action_hidden=8, dropout=0
)


def outputs(config: NetworkConfig, training: bool, draw: int = 0) -> SequenceOutputs:
    torch.manual_seed(1)
    vocabulary = packaged("edge")
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).train(training)
    torch.nn.init.normal_(network.part_graph.absent)
    torch.manual_seed(2)
    given = torch.randn(4, 7, 10, config.part_features), torch.randn(4, 7, config.context_features)
    present, dt = torch.rand(4, 7, 10) > 0.1, torch.rand(4, 7)
    torch.manual_seed(draw)
    with torch.no_grad():
        return network(*given, present, dt)


@pytest.mark.parametrize("changes", [{"action_dropout": 0.5}, {"part_dropout": 0.5}])
def test_dropout_changes_actions_in_training_and_nothing_in_use(changes: dict[str, float]) -> None:
    config = replace(SMALL, **changes)
    for one, other in zip(outputs(config, training=False), outputs(SMALL, training=False), strict=True):
        assert torch.equal(one, other)
    plain, first, second = (
        outputs(each, training=True, draw=draw).action_logits for each, draw in ((SMALL, 0), (config, 0), (config, 1))
    )
    assert not torch.equal(plain, first) and not torch.equal(first, second)


def test_a_missed_part_is_absent_for_consecutive_steps_with_the_probability() -> None:
    torch.manual_seed(4)
    missed = missed_parts(400, 20, 10, 0.3)
    assert missed.shape == (400, 20, 10) and missed.dtype == torch.bool
    assert 0.27 < float(missed.any(1).float().mean()) < 0.33
    begins = (missed.int().diff(dim=1) == 1).sum(1) + missed[:, 0].int()
    assert torch.equal(begins, missed.any(1).int())
    # First and last step are two draws from 20: (20² − 1) / (3 · 20) apart on average, both included.
    length = missed.sum(1)[missed.any(1)].float()
    assert abs(float(length.mean()) - (399 / 60 + 1)) < 0.6
    assert not missed_parts(50, 20, 10, 0.0).any()
