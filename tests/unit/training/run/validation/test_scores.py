"""The temperature is fitted and applied wherever scores are read; prevalence changes the odds of actions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax

from stages import checkpoint
from stages.heads.action_lstm import ActionLSTM
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.packaged_checkpoints import checkpoint_file
from stages.vocabulary import packaged
from training.run.validation.scores import (
    apply_prevalence,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
)


def answers(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose truth was drawn from them at that temperature."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (count, 5))
    chances = softmax(logits / temperature, axis=1).cumsum(1)
    return logits, (rng.random((count, 1)) > chances).sum(1).clip(max=4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_fitted_temperature_is_that_of_the_drawn_truth(temperature: float) -> None:
    logits, truth = answers(temperature)
    fitted = fit_temperature(logits, truth)
    assert fitted == pytest.approx(temperature, rel=0.05)
    assert expected_calibration_error(logits, truth, fitted) < 0.015
    assert negative_log_likelihood(logits, truth, fitted) <= negative_log_likelihood(logits, truth)


def test_the_calibration_error_agrees_with_a_worked_example() -> None:
    # Two answers at .9 (one right), two at .6 (both right): (|1 − 1.8| + |2 − 1.2|) / 4.
    scores = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6]])
    assert expected_calibration_error(np.log(scores), np.array([0, 0, 0, 1])) == pytest.approx(0.4)
    assert np.isnan(expected_calibration_error(np.zeros((0, 2)), np.zeros(0, int)))


def test_the_temperature_divides_the_logits_of_sequences_and_of_live_steps() -> None:
    torch.manual_seed(0)
    lstm = ActionLSTM(6, 8, 8, 1, 4).eval()
    graph, dt = torch.randn(3, 1, 6), torch.zeros(3, 1)
    embedded = lstm.embed(graph[:, 0])
    state = torch.zeros(2, 1, 3, 8)
    fresh = torch.ones(2, 3, dtype=torch.bool)

    def both() -> tuple[torch.Tensor, torch.Tensor]:
        step = lstm.step(embedded, torch.zeros(2, 3), fresh, (state, state), torch.zeros(3, dtype=torch.int64))
        return lstm(graph, dt)[:, 0], step[0]

    with torch.no_grad():
        sequence, live = both()
        lstm.temperature.fill_(2.0)
        for now, before in zip(both(), (sequence, live)):
            assert torch.equal(now, before / 2)


@pytest.mark.parametrize("profile", ["edge", "edge-open"])
def test_the_packaged_checkpoints_have_their_fitted_temperature(profile: str) -> None:
    with checkpoint_file(profile) as path:
        made = checkpoint.load(path)
    held_out = [figures for name, figures in made.metrics.items() if name.startswith("held_out")]
    (fitted,) = [figures["calibration"] for figures in held_out if "calibration" in figures]
    assert float(made.network.action_lstm.temperature) == pytest.approx(fitted["temperature"], abs=1e-3)


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
