"""Three heads in place of one softmax: one distribution over the actions, in which the heads don't compete."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.checkpoint import Checkpoint, load, save
from stages.heads.hierarchical_scores import GESTURE, MOVEMENT, POSTURE, HierarchicalScores, heads_of
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.vocabulary import packaged
from training.run.learning.warm_start import begin_from, begin_with_new_actions, from_keypoints_alone
from training.run.validation.scores import apply_prevalence

SMALL = NetworkConfig(
    relevance_hidden=6, state_hidden=10, prior_hidden=7, graph_hidden=9, action_width=8, action_hidden=8
)
HEADED = replace(SMALL, posture_actions=("stand", "sit", "lie"), movement_actions=("walk", "fall"))
ACTIONS = packaged("edge").actions


def network(config: NetworkConfig, seed: int = 0) -> ActionNetwork:
    torch.manual_seed(seed)
    vocabulary = packaged("edge")
    return ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12))


def test_scores_are_products_of_the_heads_probabilities() -> None:
    layer = HierarchicalScores(1, [POSTURE, MOVEMENT, POSTURE, GESTURE])
    with torch.no_grad():
        layer.weight.zero_()
        layer.none.weight.zero_()
        # Posture 3 : 1, movement 1 : 4 none, gesture 1 : 1 none.
        layer.bias.copy_(torch.tensor([3.0, 1, 1, 1]).log())
        layer.none.bias.copy_(torch.tensor([4.0, 1]).log())
        found = layer(torch.zeros(1, 1)).exp()[0]
    torch.testing.assert_close(found, torch.tensor([0.5 * 0.8 * 0.75, 0.5 * 0.2, 0.5 * 0.8 * 0.25, 0.5]))


@pytest.mark.parametrize(
    ("action", "learning"), [("wave", {GESTURE}), ("walk", {GESTURE, MOVEMENT}), ("sit", {GESTURE, MOVEMENT, POSTURE})]
)
def test_an_action_teaches_its_own_head_and_those_above_and_no_other(action: str, learning: set[int]) -> None:
    heads = heads_of(ACTIONS, HEADED.posture_actions, HEADED.movement_actions)
    torch.manual_seed(1)
    layer = HierarchicalScores(6, heads)
    logits = layer(torch.randn(20, 6))
    torch.nn.functional.cross_entropy(logits, torch.full((20,), ACTIONS.index(action))).backward()
    assert layer.weight.grad is not None and layer.none.weight.grad is not None
    for row, head in enumerate(heads):
        moved = float(layer.weight.grad[row].abs().max())
        assert moved > 1e-4 if head in learning else moved < 1e-6, ACTIONS[row]
    assert bool(layer.none.weight.grad[0].abs().max() > 1e-4) is (MOVEMENT in learning)


def test_a_network_with_heads_starts_with_the_rows_of_one_without() -> None:
    before, after = network(SMALL, seed=1), network(HEADED, seed=2)
    fresh = begin_from(after, before)
    assert set(fresh) == {f"{name}.none.{kind}" for name in ("frame_scores", "action_lstm.scores")
                          for kind in ("weight", "bias")}  # fmt: skip
    assert torch.equal(
        after.action_lstm.state_dict()["scores.weight"], before.action_lstm.state_dict()["scores.weight"]
    )


@pytest.mark.parametrize("temporal", [True, False])
def test_the_prevalence_changes_the_odds_across_heads_and_stays_with_the_checkpoint(
    temporal: bool, tmp_path: Path
) -> None:
    config = replace(HEADED, temporal=temporal, visual=True, visual_features=3, object_regions=(0,) * 10)
    made = network(config).eval()
    made.action_lstm.temperature.fill_(1.7)
    graph = torch.randn(5, config.graph_hidden)

    def scores(of: ActionNetwork) -> torch.Tensor:
        with torch.no_grad():
            return of.action_lstm.sequence(of.action_inputs(graph)[:, None], torch.zeros(5, 1))[:, 0].softmax(-1)

    before = scores(made)
    apply_prevalence(made, {"carry": 0.35, "walk": 2.0})
    after = scores(made)
    carry, walk, stand = (ACTIONS.index(name) for name in ("carry", "walk", "stand"))
    for action, factor in ((carry, 0.35), (walk, 2.0)):
        odds = (after[:, action] / after[:, stand]) / (before[:, action] / before[:, stand])
        torch.testing.assert_close(odds, torch.full_like(odds, factor), rtol=1e-4, atol=0)
    save(Checkpoint(made, "edge", True, "minilm"), tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert torch.equal(scores(loaded.network), after)
    assert torch.equal(scores(from_keypoints_alone(loaded).network), after)


def test_a_network_with_a_new_action_first_keeps_the_answers_and_the_prevalence() -> None:
    before = network(HEADED, seed=1).eval()
    apply_prevalence(before, {"carry": 0.35, "walk": 2.0})
    vocabulary = before.vocabulary
    grown = dataclasses.replace(vocabulary, actions=(*vocabulary.actions, "juggle_knives"))
    torch.manual_seed(2)
    after = ActionNetwork(HEADED, grown, before.language_priors.table).eval()
    begin_with_new_actions(after, before)
    states = torch.randn(50, SMALL.action_hidden)
    with torch.no_grad():
        old, new = before.action_lstm.scores(states), after.action_lstm.scores(states)
    # The new action is a gesture, so all old scores shrink a little, and those of other heads by the same factor.
    torch.testing.assert_close(new[:, :-1] - new[:, :1], old - old[:, :1], rtol=0, atol=0.1)
    assert float(new[:, -1].exp().max()) < 0.03
