"""How often actions occur in use: odds change by the factor that is asked for, whatever the temperature."""

from __future__ import annotations

import pytest
import torch

from stages.heads.network import ActionNetwork, NetworkConfig
from stages.vocabulary import packaged
from training.run.validation.scores import apply_prevalence


def scores(network: ActionNetwork) -> torch.Tensor:
    torch.manual_seed(1)
    config = network.config
    graph = torch.randn(5, config.graph_hidden)
    embedded = network.action_inputs(graph)
    with torch.no_grad():
        return network.action_lstm.sequence(embedded[:, None], torch.zeros(5, 1))[:, 0].softmax(-1)


@pytest.mark.parametrize("temporal", [True, False])
def test_the_odds_of_an_action_change_by_the_given_factor(temporal: bool) -> None:
    vocabulary = packaged("edge")
    torch.manual_seed(0)
    network = ActionNetwork(
        NetworkConfig(temporal=temporal), vocabulary, torch.randn(len(vocabulary.parts), len(vocabulary.states), 12)
    )
    network.action_lstm.temperature.fill_(1.7)
    before = scores(network)
    apply_prevalence(network, {"carry": 0.35, "walk": 2.0})
    after = scores(network)
    carry, walk, stand = (vocabulary.actions.index(name) for name in ("carry", "walk", "stand"))
    for action, factor in ((carry, 0.35), (walk, 2.0)):
        odds = (after[:, action] / after[:, stand]) / (before[:, action] / before[:, stand])
        torch.testing.assert_close(odds, torch.full_like(odds, factor), rtol=1e-4, atol=0)
    assert torch.allclose(after.sum(-1), torch.ones(5))
